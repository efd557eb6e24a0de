/** What a listener shows of itself in TLS, and whose clients it believes. */
import { constants } from "node:crypto";
import { createSecureContext, type SecureContextOptions } from "node:tls";

/** What the listener shows of itself, and whose clients it believes. PEM. */
export interface ListenerCertificates {
  readonly certPem: string;
  /** Secret. */
  readonly keyPem: string;
  readonly clientCaPem: string;
}

/**
 * Signatures that are taken (RFC 8446 §4.2.3), so a client's key is of one of these kinds. Node reads a certificate's curve whenever it is asked
 * what was shown, and one that NIST has no name for ends the process by a memory fault (Node 24.21, getPeerCertificate and toLegacyObject).
 * Those of PKCS #1 are for certificates alone.
 */
const SIGNATURES = [
  ...["ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "ecdsa_secp521r1_sha512", "ed25519", "ed448"],
  ...["rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512"],
  ...["rsa_pss_pss_sha256", "rsa_pss_pss_sha384", "rsa_pss_pss_sha512"],
  ...["rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512"],
].join(":");

/** The options of TLS. Throws what OpenSSL says of certificates that cannot be used. */
export function contextOf({ certPem, keyPem, clientCaPem }: ListenerCertificates): SecureContextOptions {
  const context: SecureContextOptions = {
    cert: certPem,
    key: keyPem,
    ca: clientCaPem,
    minVersion: "TLSv1.3",
    sigalgs: SIGNATURES,
    // With tickets, whoever has copied one speaks for its key without it; without, the session would have to be in a cache, and there is none.
    secureOptions: constants.SSL_OP_NO_TICKET,
    // An authority that is itself signed by another is what agents pin, and ends the chain.
    allowPartialTrustChain: true,
  };
  // Reads them now, so that what cannot be used is known before it is.
  createSecureContext(context);
  return context;
}
