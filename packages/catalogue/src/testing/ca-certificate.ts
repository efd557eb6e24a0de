/** For tests: the certificate of an authority that signs nothing, Ed25519. Not part of the package. */
export const CA_PEM = `-----BEGIN CERTIFICATE-----
MIH0MIGnAhQXeXTfrb+zXPlQKYEqR0lILin2PjAFBgMrZXAwHDEaMBgGA1UEAwwR
RXhhbXBsZSBhdXRob3JpdHkwIBcNMjYxMTMwMTMxNzE1WhgPMjEyNjExMDYxMzE3
MTVaMBwxGjAYBgNVBAMMEUV4YW1wbGUgYXV0aG9yaXR5MCowBQYDK2VwAyEA8GtK
AHyQ/D4tsP1PEMaPtz7IWnLWdSE/c5BbH6bUcjcwBQYDK2VwA0EA5rWnNY+/8fxw
gRWrX51ldTGlbrnOH1nCnngb7cfjcwnBKyuSjpB1vLdMXqEwtGqJotB0sMz/zNim
5N6LgU5kBg==
-----END CERTIFICATE-----
`;
