/** What a listener shows of itself in TLS, and whose clients it believes. */
import { constants } from "node:crypto";
import { createSecureContext, type SecureContextOptions } from "node:tls";

/** What the listener shows of itself, and whose clients it believes. PEM. */
export interface ListenerCertificates {
  readonly certPem: string;
  /** Secret. */
  readonly keyPem: string;
  readonly clientAuthorityPem: string;
}

/** The options of TLS. Throws what OpenSSL says of certificates that cannot be used. */
export function contextOf({ certPem, keyPem, clientAuthorityPem }: ListenerCertificates): SecureContextOptions {
  const context: SecureContextOptions = {
    cert: certPem,
    key: keyPem,
    ca: clientAuthorityPem,
    minVersion: "TLSv1.3",
    // With tickets, whoever has copied one speaks for its key without it; without, the session would have to be in a cache, and there is none.
    secureOptions: constants.SSL_OP_NO_TICKET,
    // An authority that is itself signed by another is what agents pin, and ends the chain.
    allowPartialTrustChain: true,
  };
  // Reads them now, so that what cannot be used is known before it is.
  createSecureContext(context);
  return context;
}
