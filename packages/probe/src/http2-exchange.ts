/** One HTTP/2 request on a given connection (RFC 9113), as HTTP and gRPC both need it. */
import { type ClientHttp2Stream, connect, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from "node:http2";
import type { Socket } from "node:net";
import { codeOf } from "./errno.ts";
import { type Exchanged, HEADERS_MAX_BYTES, type Sent } from "./exchange.ts";

/** Bytes of body read on the way to the trailers; a gRPC error has none. */
const BODY_MAX_BYTES = 65_536;

/** Memory that Node lets a session use, in MB (its own unit); its default is 10. */
const SESSION_MAX_MB = 1;

/** Most headers that are accepted: Node's own default. */
const HEADERS_MAX_PAIRS = 128;

/** The request. */
export interface Http2Request {
  /** `http://host:port` or `https://host:port`: gives `:scheme` and `:authority`. */
  readonly origin: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent with the end of the stream; absent: the headers end it. */
  readonly body?: Uint8Array;
  /** Whether the response is complete at the trailers or the end, and not at the headers. */
  readonly awaitsTrailers: boolean;
}

/** Sends the request and resolves with the response or the error. The caller closes the socket. */
export function exchangeHttp2(socket: Socket, request: Http2Request, sent: Sent): Promise<Exchanged> {
  const { promise, resolve } = Promise.withResolvers<Exchanged>();
  const session = connect(request.origin, {
    createConnection: () => socket,
    settings: { enablePush: false, maxHeaderListSize: HEADERS_MAX_BYTES },
    maxSessionMemory: SESSION_MAX_MB,
    maxHeaderListPairs: HEADERS_MAX_PAIRS,
  });
  // Stays for the session's life: an error after the end of the attempt must not be thrown.
  session.on("error", (error) => resolve({ kind: "error", code: codeOf(error) }));
  session.once("close", () => resolve({ kind: "error", code: "ECONNRESET" }));

  const stream = session.request(request.headers, { endStream: request.body === undefined });
  listen(stream, request.awaitsTrailers, resolve);
  stream.once("ready", sent);
  if (request.body !== undefined) stream.end(request.body);
  return promise.finally(() => session.destroy());
}

function listen(stream: ClientHttp2Stream, awaitsTrailers: boolean, resolve: (exchanged: Exchanged) => void): void {
  let headers: IncomingHttpHeaders & IncomingHttpStatusHeader = {};
  let bodyBytes = 0;
  const finish = (trailers: IncomingHttpHeaders = {}) => {
    const status = headers[":status"];
    if (status === undefined) return resolve({ kind: "error", code: "ECONNRESET" });
    const grpcStatus = trailers["grpc-status"] ?? headers["grpc-status"];
    resolve({
      kind: "response",
      status,
      location: headers.location,
      grpcStatus: typeof grpcStatus === "string" ? grpcStatus : undefined,
    });
  };
  stream.once("response", (received) => {
    headers = received;
    if (!awaitsTrailers) finish();
  });
  stream.once("trailers", finish);
  stream.on("data", (chunk: Buffer) => {
    bodyBytes += chunk.byteLength;
    if (bodyBytes > BODY_MAX_BYTES) finish();
  });
  stream.once("end", () => finish());
  // A stream that breaks after its status and before its trailers is judged by the status.
  stream.on("error", (error) => {
    if (headers[":status"] === undefined) resolve({ kind: "error", code: codeOf(error) });
    else finish();
  });
}
