/** TLS towards a collector. */
import { createSecureContext } from "node:tls";
import { type ChannelCredentials, credentials } from "@grpc/grpc-js";

/** Both ends are ours, so nothing older than TLS 1.3 (RFC 8446) is spoken: it hides who the client is from those on the way. */
const MIN_VERSION = "TLSv1.3";

/** Whom to trust, and who to be. */
export interface TlsOptions {
  /** Authorities that the server's certificate must end at, PEM; absent: the public ones. */
  readonly caPem?: Buffer | string;
  /** Whether an authority of `caPem` that another has signed is an end all the same; default false, as OpenSSL has it. */
  readonly caMayBeIntermediate?: boolean;
  /** The client's certificate and its key, PEM; absent: none is shown. */
  readonly pair?: { readonly certPem: Buffer; readonly keyPem: Buffer };
}

/** Credentials of a channel whose server is verified, its name too. Throws what OpenSSL says of a pair that cannot be used. */
export function tlsCredentials({ caPem, caMayBeIntermediate = false, pair }: TlsOptions): ChannelCredentials {
  const context = createSecureContext({
    minVersion: MIN_VERSION,
    allowPartialTrustChain: caMayBeIntermediate,
    ...(caPem === undefined ? {} : { ca: caPem }),
    ...(pair === undefined ? {} : { cert: pair.certPem, key: pair.keyPem }),
  });
  return credentials.createFromSecureContext(context);
}

/** Credentials of a channel whose server may be anybody, and is told nothing of the client: for what anybody may know. */
export function unverifiedCredentials(): ChannelCredentials {
  return credentials.createFromSecureContext(createSecureContext({ minVersion: MIN_VERSION }), {
    rejectUnauthorized: false,
  });
}
