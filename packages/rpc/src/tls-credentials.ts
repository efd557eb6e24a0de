/** TLS credentials of a client. */
import { createSecureContext } from "node:tls";
import { type ChannelCredentials, credentials } from "@grpc/grpc-js";

/** Both ends are Lifeline's. TLS 1.3 (RFC 8446) encrypts the client's certificate. */
const MIN_VERSION = "TLSv1.3";

/** Whom to trust, and the client's own certificate. */
export interface TlsOptions {
  /** CAs that the server's chain must end at, PEM; absent: the public ones. */
  readonly caPem?: Buffer | string;
  /** Whether the chain may end at a CA of `caPem` that another CA has signed; default false, as OpenSSL's. */
  readonly caMayBeIntermediate?: boolean;
  /** The client's certificate and its key, PEM; absent: none is sent. */
  readonly pair?: { readonly certPem: Buffer; readonly keyPem: Buffer };
}

/**
 * Credentials of a channel whose server's chain and name are verified. Throws OpenSSL's error for a pair that cannot be
 * used.
 */
export function tlsCredentials({ caPem, caMayBeIntermediate = false, pair }: TlsOptions): ChannelCredentials {
  const context = createSecureContext({
    minVersion: MIN_VERSION,
    allowPartialTrustChain: caMayBeIntermediate,
    ...(caPem === undefined ? {} : { ca: caPem }),
    ...(pair === undefined ? {} : { cert: pair.certPem, key: pair.keyPem }),
  });
  return credentials.createFromSecureContext(context);
}

/**
 * Credentials of a channel whose server is not verified and gets no certificate of the client. Only for public data.
 */
export function unverifiedCredentials(): ChannelCredentials {
  return credentials.createFromSecureContext(createSecureContext({ minVersion: MIN_VERSION }), {
    rejectUnauthorized: false,
  });
}
