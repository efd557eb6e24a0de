/**
 * One HTTP/1.1 request on a given connection (RFC 9112). The body is not read.
 *
 * Node's module is loaded by `getBuiltinModule`. An import would evaluate all its exports, and one of them, WebSocket,
 * loads undici: 12 MB of resident memory (Node 24.21).
 */
import type { Socket } from "node:net";
import { codeOf } from "./errno.ts";
import { type Exchanged, HEADERS_MAX_BYTES, type Sent } from "./exchange.ts";

/** The request. */
export interface Http1Request {
  readonly method: "GET" | "HEAD";
  readonly path: string;
  /** The `Host` header. */
  readonly authority: string;
  readonly userAgent: string;
}

/** Sends the request and resolves with the response's headers or the error. The caller closes the socket. */
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
    resolve({
      kind: "response",
      status: response.statusCode ?? 0,
      location: response.headers.location,
      grpcStatus: undefined,
    });
    response.destroy();
  });
  message.on("error", (error) => resolve({ kind: "error", code: codeOf(error) }));
  // Node also closes the connection after a 101 that was not requested, without an error.
  message.once("close", () => resolve({ kind: "error", code: "ECONNRESET" }));
  message.end();
  return promise;
}
