/**
 * What a call's headers may be, looked at before grpc-js makes metadata of them.
 *
 * HPACK (RFC 7541) repeats a field of 4 KB for one byte, and Node puts values under one name together: a frame of 150 bytes becomes half a
 * megabyte. grpc-js splits binary metadata at its commas and keeps an object of 200 bytes for each, for as long as the call is open; a hundred
 * such calls of a stranger took a gigabyte, and held the event loop up for a second (Node 24.21). A limit by HTTP/2's settings
 * (RFC 9113 §6.5.2) binds only peers that acknowledge it.
 */
import type { Socket } from "node:net";
import type { Server } from "@grpc/grpc-js";
import { keepOwnBytes, RESET_CALM, type ReceivingStream } from "./received-bytes.ts";
import { peerOf } from "./secure-connection.ts";

/** Most bytes of a call's headers, names and values: gRPC's own default (grpc/grpc, `grpc.max_metadata_size`). Ours have some 300. */
export const HEADERS_MAX_BYTES = 8 * 1024;

/** Ends a name whose values are bytes in base64 (grpc/grpc doc/PROTOCOL-HTTP2.md). None of ours has one. */
const BINARY_NAME_END = "-bin";

/** As node:http2 gives them. */
type Headers = Record<string, string | string[] | undefined>;

type Stream = ReceivingStream & {
  readonly session?: { readonly socket: Pick<Socket, "remoteAddress" | "remotePort"> } | undefined;
};

type StreamHandler = (interceptors: unknown, stream: Stream, headers: Headers) => void;

/** What is told of streams. */
export interface StreamEvents {
  /** One has begun, whatever it asks for; its peer as grpc-js names it. */
  readonly onStream: (peer: string) => void;
  /** One was reset: its headers are larger than {@link HEADERS_MAX_BYTES}, or its bytes come in crumbs. */
  readonly onOverflow: (what: "large-headers" | "small-frames") => void;
}

/**
 * Has a server that was not bound yet reset the streams whose headers are too large, or whose bytes come in crumbs, and leave out binary metadata.
 * Throws where grpc-js no longer takes its streams where it is known to.
 */
export function limitHeaders(server: Server, { onStream, onOverflow }: StreamEvents): void {
  const handle: unknown = Reflect.get(server, "_streamHandler");
  if (typeof handle !== "function") throw new Error("a server of grpc-js has no handler of streams");
  const limited: StreamHandler = (interceptors, stream, headers) => {
    if (stream.session !== undefined) onStream(peerOf(stream.session.socket));
    // Its end says enough, and an error without a listener would end the process.
    stream.on("error", () => {});
    // It was reset, or its connection evicted, meanwhile. grpc-js answers some calls at once, and an answer on such a stream throws.
    if (stream.destroyed || stream.closed) return;
    keepOwnBytes(stream, () => onOverflow("small-frames"));
    if (isTooLarge(headers)) {
      onOverflow("large-headers");
      stream.close(RESET_CALM);
      return;
    }
    for (const name of Object.keys(headers)) if (name.endsWith(BINARY_NAME_END)) delete headers[name];
    Reflect.apply(handle, server, [interceptors, stream, headers]);
  };
  Reflect.set(server, "_streamHandler", limited);
}

function isTooLarge(headers: Headers): boolean {
  let bytes = 0;
  for (const [name, values] of Object.entries(headers)) {
    for (const value of [values ?? ""].flat()) bytes += name.length + value.length;
  }
  return bytes > HEADERS_MAX_BYTES;
}
