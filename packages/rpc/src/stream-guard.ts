/**
 * Guards a grpc-js server against what peers send on HTTP/2 streams, before grpc-js sees a call of it. For each new
 * stream the guard counts it, bounds the bytes it keeps (received-bytes.ts) and bounds its headers
 * (request-headers.ts).
 */
import { constants } from "node:http2";
import type { Socket } from "node:net";
import type { Server } from "@grpc/grpc-js";
import { keepOwnBytes, type ReceivingStream } from "./received-bytes.ts";
import { areTooLarge, type RequestHeaders, removeBinaryMetadata } from "./request-headers.ts";
import { peerOf } from "./secure-connection.ts";

type Stream = ReceivingStream & {
  readonly session?: { readonly socket: Pick<Socket, "remoteAddress" | "remotePort"> } | undefined;
};

type StreamHandler = (interceptors: unknown, stream: Stream, headers: RequestHeaders) => void;

/** What the guard reports. */
export interface StreamEvents {
  /** A stream has begun, whatever its method; its peer as grpc-js names it. */
  readonly onStream: (peer: string) => void;
  /** A stream was reset because its headers were too large, or because it sent many frames of a few bytes. */
  readonly onOverflow: (what: "large-headers" | "small-frames") => void;
}

/** Puts the guard before a server that is not bound yet. Throws if this version of grpc-js has no `_streamHandler`. */
export function guardStreams(server: Server, { onStream, onOverflow }: StreamEvents): void {
  const handle: unknown = Reflect.get(server, "_streamHandler");
  if (typeof handle !== "function")
    throw new Error("grpc-js: Server has no _streamHandler to guard; adapt stream-guard.ts");
  const guarded: StreamHandler = (interceptors, stream, headers) => {
    if (stream.session !== undefined) onStream(peerOf(stream.session.socket));
    // Its "close" event is enough, and an "error" event without a listener would end the process.
    stream.on("error", () => {});
    // The peer has reset it, or its connection was evicted. grpc-js answers some calls at once, and throws on such a
    // stream.
    if (stream.destroyed || stream.closed) return;
    keepOwnBytes(stream, () => onOverflow("small-frames"));
    if (areTooLarge(headers)) {
      onOverflow("large-headers");
      stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      return;
    }
    removeBinaryMetadata(headers);
    Reflect.apply(handle, server, [interceptors, stream, headers]);
  };
  Reflect.set(server, "_streamHandler", guarded);
}
