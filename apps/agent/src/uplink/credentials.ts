/** The channel's credentials: mutual TLS from files, or none. */
import { readFileSync } from "node:fs";
import { type ChannelCredentials, tlsCredentials, channelCredentials as wireCredentials } from "@lifeline/rpc";

/** Files of the agent's certificate and key (S1), PEM. */
export interface TlsFiles {
  /** CA of the collector's certificate. */
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/**
 * Reads the files at each dial, so that a renewed certificate is used from the next dial on. Rejects with the system's
 * error when one cannot be read. The key goes into the TLS context only.
 */
export async function channelCredentials(tls: TlsFiles | undefined): Promise<ChannelCredentials> {
  if (tls === undefined) return wireCredentials.createInsecure();
  // Synchronously: only the main thread may have the right to read them (run-as.ts).
  const [ca, cert, key] = [readFileSync(tls.caFile), readFileSync(tls.certFile), readFileSync(tls.keyFile)];
  return tlsCredentials({ caPem: ca, pair: { certPem: cert, keyPem: key } });
}
