/** Calls of another project's service. The caller encodes and decodes the messages. */
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { systemClock } from "@lifeline/measure";
import { rpcErrorFrom } from "./rpc-error.ts";
import { CHANNEL_LIMITS } from "./service-shape.ts";

/** A service behind a socket of this host. */
export interface ByteClient {
  /** One unary call of `/package.Service/Method`. Rejects with an RpcError, DEADLINE_EXCEEDED after `timeoutMs`. */
  call(method: string, request: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  close(): void;
}

/**
 * A client of the unix socket at `socketPath`, in plaintext; every call carries `headers`. Nothing is opened before the
 * first call.
 */
export function createByteClient(socketPath: string, headers: Readonly<Record<string, string>>): ByteClient {
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
    ...CHANNEL_LIMITS,
    "grpc.enable_http_proxy": 0,
    "grpc.use_local_subchannel_pool": 1,
  });
  return {
    call(method, request, timeoutMs) {
      const metadata = new Metadata();
      for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest<Uint8Array, Uint8Array>(
          method,
          (bytes) => Buffer.from(bytes),
          (bytes) => bytes,
          request,
          metadata,
          // grpc-js takes a deadline as wall time and reads the same clock at once.
          { deadline: systemClock.wallMs() + timeoutMs },
          (error, response) =>
            error === null && response !== undefined ? resolve(response) : reject(rpcErrorFrom(error)),
        );
      });
    },
    close: () => client.close(),
  };
}
