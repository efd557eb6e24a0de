/** For tests: the certificate of a CA whose key is not kept, Ed25519, valid until 2126. PEM. */
export const CA_PEM = `-----BEGIN CERTIFICATE-----
MIH0MIGnAhQXeXTfrb+zXPlQKYEqR0lILin2PjAFBgMrZXAwHDEaMBgGA1UEAwwR
RXhhbXBsZSBhdXRob3JpdHkwIBcNMjYxMTMwMTMxNzE1WhgPMjEyNjExMDYxMzE3
MTVaMBwxGjAYBgNVBAMMEUV4YW1wbGUgYXV0aG9yaXR5MCowBQYDK2VwAyEA8GtK
AHyQ/D4tsP1PEMaPtz7IWnLWdSE/c5BbH6bUcjcwBQYDK2VwA0EA5rWnNY+/8fxw
gRWrX51ldTGlbrnOH1nCnngb7cfjcwnBKyuSjpB1vLdMXqEwtGqJotB0sMz/zNim
5N6LgU5kBg==
-----END CERTIFICATE-----
`;
