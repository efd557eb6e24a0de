/** The channel's credentials: mutual TLS from files, or none. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { createRpcClient } from "@lifeline/wire";

/** What a client dials with. */
export type ChannelCredentials = Parameters<typeof createRpcClient>[2];

/** Files of the agent's identity (S1), PEM. */
export interface TlsFiles {
  /** Authority that the collector's certificate must end at. */
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

interface CredentialsFactory {
  createInsecure(): ChannelCredentials;
  createSsl(rootCerts: Buffer, privateKey: Buffer, certChain: Buffer): ChannelCredentials;
}

// grpc-js tells its own credentials by class, so they must come from the very copy that wire dials with.
const fromWire = createRequire(createRequire(import.meta.url).resolve("@lifeline/wire"));
const { credentials } = fromWire("@grpc/grpc-js") as { readonly credentials: CredentialsFactory };

/**
 * Reads the files anew, so that a renewed certificate is used from the next dial on. Rejects with the system's error when one
 * cannot be read; the key goes nowhere but into the TLS context.
 */
export async function channelCredentials(tls: TlsFiles | undefined): Promise<ChannelCredentials> {
  if (tls === undefined) return credentials.createInsecure();
  const [ca, cert, key] = await Promise.all([readFile(tls.caFile), readFile(tls.certFile), readFile(tls.keyFile)]);
  return credentials.createSsl(ca, key, cert);
}
