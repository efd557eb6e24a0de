/** One DNS message each way over TCP: two bytes of length, then the message (RFC 1035 §4.2.2). */
import type { Socket } from "node:net";
import { codeOf } from "./errno.ts";

/** Bytes of the length prefix. It bounds a message, and so what is buffered here, to 65,535 bytes. */
const PREFIX_BYTES = 2;

/** The message that came back, or the code of the error. */
export type DnsStreamed =
  | { readonly kind: "message"; readonly message: Uint8Array }
  | { readonly kind: "error"; readonly code: string };

/** Sends `query` and resolves with the first whole message. The caller closes the socket. */
export function exchangeDnsStream(socket: Socket, query: Uint8Array): Promise<DnsStreamed> {
  const { promise, resolve } = Promise.withResolvers<DnsStreamed>();
  let received = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    const message = firstMessage(received);
    if (message === undefined) return;
    socket.removeAllListeners("data");
    socket.pause();
    resolve({ kind: "message", message });
  });
  socket.on("error", (error) => resolve({ kind: "error", code: codeOf(error) }));
  // Closed before the message was whole: the same to a caller as a reset.
  socket.once("close", () => resolve({ kind: "error", code: "ECONNRESET" }));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt16BE(query.byteLength);
  socket.write(Buffer.concat([prefix, query]));
  return promise;
}

function firstMessage(received: Buffer): Uint8Array | undefined {
  if (received.byteLength < PREFIX_BYTES) return undefined;
  const end = PREFIX_BYTES + received.readUInt16BE();
  return received.byteLength < end ? undefined : received.subarray(PREFIX_BYTES, end);
}
