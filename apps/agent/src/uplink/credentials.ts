/** The channel's credentials: mutual TLS from files, or none. */
import { readFileSync } from "node:fs";
import { type ChannelCredentials, tlsCredentials, channelCredentials as wireCredentials } from "@lifeline/rpc";

/** Files of the agent's identity (S1), PEM. */
export interface TlsFiles {
  /** Authority that the collector's certificate must end at. */
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/**
 * Reads the files anew, so that a renewed certificate is used from the next dial on. Rejects with the system's error when one
 * cannot be read; the key goes nowhere but into the TLS context.
 */
export async function channelCredentials(tls: TlsFiles | undefined): Promise<ChannelCredentials> {
  if (tls === undefined) return wireCredentials.createInsecure();
  // By this thread, which alone may have the right to read them: see run-as.ts.
  const [ca, cert, key] = [readFileSync(tls.caFile), readFileSync(tls.certFile), readFileSync(tls.keyFile)];
  return tlsCredentials({ caPem: ca, pair: { certPem: cert, keyPem: key } });
}
