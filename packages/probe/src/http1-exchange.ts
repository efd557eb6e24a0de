/**
 * One HTTP/1.1 request on a given connection (RFC 9112). Of the body only the beginning is read, if any.
 *
 * Node's module is loaded by `getBuiltinModule`. An import would evaluate all its exports, and one of them, WebSocket,
 * loads undici: 12 MB of resident memory (Node 24.21).
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { BodySample } from "./body-sample.ts";
import { codeOf } from "./errno.ts";
import { type Exchanged, HEADERS_MAX_BYTES, type HttpResponse, type Sent } from "./exchange.ts";

/** The request. */
export interface Http1Request {
  readonly method: "GET" | "HEAD";
  readonly path: string;
  /** The `Host` header. */
  readonly authority: string;
  readonly userAgent: string;
  /** Whether the beginning of the body is read, and not only the headers. */
  readonly readsBody: boolean;
}

/** Sends the request and resolves with the response or the error. The caller closes the socket. */
export function exchangeHttp1(socket: Socket, request: Http1Request, sent: Sent): Promise<Exchanged> {
  const { promise, resolve } = Promise.withResolvers<Exchanged>();
  const message = process.getBuiltinModule("node:http").request({
    createConnection: () => socket,
    method: request.method,
    path: request.path,
    headers: { host: request.authority, "user-agent": request.userAgent, accept: "*/*", connection: "close" },
    maxHeaderSize: HEADERS_MAX_BYTES,
  });
  message.once("finish", sent);
  message.once("response", (response) => {
    if (request.readsBody) readBody(response, resolve);
    else finish(response, undefined, resolve);
  });
  message.on("error", (error) => resolve({ kind: "error", code: codeOf(error) }));
  // Node also closes the connection after a 101 that was not requested, without an error.
  message.once("close", () => resolve({ kind: "error", code: "ECONNRESET" }));
  message.end();
  return promise;
}

function readBody(response: IncomingMessage, resolve: (exchanged: Exchanged) => void): void {
  const body = new BodySample(response.headers["content-encoding"]);
  response.on("data", (chunk: Buffer) => {
    if (!body.add(chunk)) finish(response, body, resolve);
  });
  response.once("end", () => finish(response, body, resolve));
  // A body that breaks is judged by what has come of it.
  response.on("error", () => finish(response, body, resolve));
}

function finish(response: IncomingMessage, body: HttpResponse["body"], resolve: (exchanged: Exchanged) => void): void {
  resolve({ kind: "response", status: response.statusCode ?? 0, headers: response.headers, trailers: {}, body });
  response.destroy();
}
