/** One HTTP/2 request on a given connection (RFC 9113), as HTTP and gRPC both need it. */
import { type ClientHttp2Stream, connect, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from "node:http2";
import type { Socket } from "node:net";
import { BodySample } from "./body-sample.ts";
import { codeOf } from "./errno.ts";
import { type Exchanged, HEADERS_MAX_BYTES, headerOf, type Sent } from "./exchange.ts";

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
  /** How far the response is read: its headers, the beginning of its body, or all up to the trailers. */
  readonly reads: "headers" | "body" | "trailers";
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
  listen(stream, request.reads, resolve);
  // A session on a connection that stands is ready at once, and its stream has been by now.
  if (stream.pending) stream.once("ready", sent);
  else sent();
  if (request.body !== undefined) stream.end(request.body);
  return promise.finally(() => session.destroy());
}

function listen(
  stream: ClientHttp2Stream,
  reads: Http2Request["reads"],
  resolve: (exchanged: Exchanged) => void,
): void {
  let headers: IncomingHttpHeaders & IncomingHttpStatusHeader = {};
  let body: BodySample | undefined;
  let bodyBytes = 0;
  const finish = (trailers: IncomingHttpHeaders = {}) => {
    const status = headers[":status"];
    if (status === undefined) return resolve({ kind: "error", code: "ECONNRESET" });
    resolve({ kind: "response", status, headers, trailers, body });
  };
  stream.once("response", (received) => {
    headers = received;
    if (reads === "body") body = new BodySample(headerOf(received, "content-encoding"));
    if (reads === "headers") finish();
  });
  stream.once("trailers", finish);
  stream.on("data", (chunk: Buffer) => {
    bodyBytes += chunk.byteLength;
    if (body?.add(chunk) === false || bodyBytes > BODY_MAX_BYTES) finish();
  });
  stream.once("end", () => finish());
  // A stream that breaks after its status and before its end is judged by what has come of it.
  stream.on("error", (error) => {
    if (headers[":status"] === undefined) resolve({ kind: "error", code: codeOf(error) });
    else finish();
  });
}
