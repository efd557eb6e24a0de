/** Metrics and health over HTTP: GET /metrics, /healthz, /readyz. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Listen } from "../config.ts";

/** Most connections at once; a scraper or two and a few health checks. */
const MAX_CONNECTIONS = 64;

/** Longest a request may take to arrive, ms. */
const REQUEST_TIMEOUT_MS = 10_000;

/** What the server shows. */
export interface HttpContent {
  /** Chunks of the text format. */
  readonly metrics: () => AsyncIterable<string>;
  /** Undefined when ready, else why not. */
  readonly notReady: () => Promise<string | undefined>;
  /** A response failed for another reason than its reader's going away. */
  readonly onDefect: (error: unknown) => void;
}

export interface HttpServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts listening. Rejects with the cause when it cannot. */
export async function startHttp({ host, port }: Listen, content: HttpContent): Promise<HttpServer> {
  const server = createServer((request, response) => {
    answer(request, response, content).catch((error: unknown) => {
      if (!response.destroyed) content.onDefect(error);
      response.destroy();
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = REQUEST_TIMEOUT_MS;
  server.listen(port, host);
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, stop: () => stop(server) };
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

async function answer(request: IncomingMessage, response: ServerResponse, content: HttpContent): Promise<void> {
  const path = (request.url ?? "").split("?", 1)[0] ?? "";
  if (!["/metrics", "/healthz", "/readyz"].includes(path))
    return plain(response, 404, "want /metrics, /healthz or /readyz");
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    return plain(response, 405, "want GET");
  }
  if (path === "/healthz") return plain(response, 200, "ok");
  if (path === "/readyz") {
    const reason = await content.notReady();
    return reason === undefined ? plain(response, 200, "ready") : plain(response, 503, reason);
  }
  response.setHeader("content-type", "text/plain; version=0.0.4; charset=utf-8");
  await pipeline(Readable.from(batched(content.metrics())), response);
}

/** Joins small chunks: one write of 64 Ki units instead of hundreds. */
async function* batched(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  let waiting = "";
  for await (const chunk of chunks) {
    waiting += chunk;
    if (waiting.length < 65_536) continue;
    yield waiting;
    waiting = "";
  }
  yield waiting;
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(`${text}\n`);
}
