/**
 * The credentials that `@lifeline/wire` takes, from the very grpc-js it runs on: credentials of another copy of the library are
 * refused by it at run time.
 */
import { createRequire } from "node:module";
import type { createRpcClient, listen } from "@lifeline/wire";

/** How a channel is secured. */
export type ChannelCredentials = Parameters<typeof createRpcClient>[2];
/** How a server is secured. */
export type ServerCredentials = Parameters<typeof listen>[2];

interface GrpcJs {
  readonly credentials: {
    createInsecure(): ChannelCredentials;
    /** Absent authorities are the host's public roots. Throws when the key and the certificate are no pair. */
    createSsl(rootsPem: Buffer | null, keyPem: Buffer | null, chainPem: Buffer | null): ChannelCredentials;
  };
  readonly ServerCredentials: {
    createInsecure(): ServerCredentials;
    createSsl(
      rootsPem: Buffer | null,
      pairs: { readonly private_key: Buffer; readonly cert_chain: Buffer }[],
      checkClientCertificate: boolean,
    ): ServerCredentials;
  };
}

const wireRequire = createRequire(createRequire(import.meta.url).resolve("@lifeline/wire"));

/** grpc-js as wire sees it. */
export const grpcJs: GrpcJs = wireRequire("@grpc/grpc-js");
