/** The certificates of a listener: its own, and the CA of its clients. */
import { constants } from "node:crypto";
import { createSecureContext, type SecureContextOptions } from "node:tls";

/** The listener's certificate and key, and the CA whose clients it accepts. PEM. */
export interface ListenerCertificates {
  readonly certPem: string;
  /** Secret. */
  readonly keyPem: string;
  readonly clientCaPem: string;
}

/**
 * Signature algorithms that are accepted (RFC 8446 §4.2.3); they decide which keys a client may have. Node 24.21
 * crashes with a memory fault when it reads a client certificate on a curve that NIST has no name for
 * (getPeerCertificate, toLegacyObject). Those of PKCS #1 are for certificates only.
 */
const SIGNATURES = [
  ...["ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "ecdsa_secp521r1_sha512", "ed25519", "ed448"],
  ...["rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512"],
  ...["rsa_pss_pss_sha256", "rsa_pss_pss_sha384", "rsa_pss_pss_sha512"],
  ...["rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512"],
].join(":");

/** The TLS options. Throws OpenSSL's error for certificates that cannot be used. */
export function contextOf({ certPem, keyPem, clientCaPem }: ListenerCertificates): SecureContextOptions {
  const context: SecureContextOptions = {
    cert: certPem,
    key: keyPem,
    ca: clientCaPem,
    minVersion: "TLSv1.3",
    sigalgs: SIGNATURES,
    // A stolen session ticket would authenticate without the key. Without tickets, sessions would need a cache; there
    // is none.
    secureOptions: constants.SSL_OP_NO_TICKET,
    // Agents may pin a CA that another CA has signed; the chain ends there.
    allowPartialTrustChain: true,
  };
  // Fails now for certificates that cannot be used.
  createSecureContext(context);
  return context;
}
