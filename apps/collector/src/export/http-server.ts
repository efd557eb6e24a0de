/**
 * Metrics and health over HTTP: GET /metrics, /healthz, /readyz.
 *
 * 1. A client that sends slowly, or does not read, is cut off. No more of a scrape is made than the client reads (S2).
 * 2. A request that names another host is refused for every path (http-host.ts).
 * 3. Scrapes under way are few and take a quarter of the main thread at most; one more is refused. Any number of
 *    readiness checks at once make one query of the store.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Clock } from "@lifeline/measure";
import { RateLimitedScheduler, type TimeAllowance } from "@lifeline/rpc";
import type { HostPort } from "@lifeline/settings";
import { HOST_WANTED, hostCheck } from "./http-host.ts";

/** Most connections at once; a scraper or two and a few health checks. */
const MAX_CONNECTIONS = 64;

/** How long a client may take. */
export interface HttpTimeouts {
  /** Longest a request may take to arrive, and a connection may carry nothing either way, ms. */
  readonly requestMs: number;
  /** How often connections are checked for that, ms. */
  readonly checkMs: number;
  /** Longest a scrape may take, ms. */
  readonly scrapeMs: number;
}

/**
 * Prometheus gives up after 10 s by default (scrape_timeout), so a client that takes three times that is no scraper.
 * Node checks every 30 s by default, which would be three times the limit.
 */
export const HTTP_TIMEOUTS: HttpTimeouts = { requestMs: 10_000, checkMs: 1_000, scrapeMs: 30_000 };

/** Scrapes under way at once: two scrapers, and for each a scrape that it gave up and the server has not ended yet. */
export const MAX_SCRAPES = 4;

/** Where to listen, and under which names beside its host. */
interface HttpHostPort extends HostPort {
  readonly names: readonly string[];
}

/**
 * Of the main thread: 2 s at once, for the scrapes of a thousand nodes, and a quarter of a core in the long run. A
 * scraper with an interval of 15 s takes less; one that scrapes without end leaves the rest to the agents.
 */
const SCRAPE_ALLOWANCE: TimeAllowance = { capacityMs: 2_000, msPerS: 250 };

/** What the server shows. */
export interface HttpContent {
  /** Chunks of the text format. */
  readonly metrics: () => AsyncIterable<string>;
  /** Undefined when ready, else why not. */
  readonly notReady: () => Promise<string | undefined>;
  /** A response failed for another reason than that its client went away. */
  readonly onDefect: (error: unknown) => void;
  /** A scrape was refused because others are under way, or was cut off because its client did not read. */
  readonly onOverflow: (what: "scrapes" | "slow-scrapes") => void;
  /** A request was refused because it names another host. */
  readonly onRefused: (reason: "unknown-host") => void;
}

interface HttpServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts listening. Rejects with the cause when it cannot. */
export async function startHttp(
  { host, port, names }: HttpHostPort,
  content: HttpContent,
  clock: Clock,
  { requestMs, checkMs, scrapeMs }: HttpTimeouts = HTTP_TIMEOUTS,
): Promise<HttpServer> {
  const pages = pagesOf(content, clock, scrapeMs);
  const isOwnHost = hostCheck([host, ...names]);
  const server = createServer({ connectionsCheckingInterval: checkMs }, (request, response) => {
    if (!isOwnHost(request.headers.host)) {
      content.onRefused("unknown-host");
      return plain(response, 421, HOST_WANTED);
    }
    answer(request, response, pages).catch((error: unknown) => {
      if (!response.destroyed) content.onDefect(error);
      response.destroy();
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.requestTimeout = requestMs;
  server.headersTimeout = requestMs;
  // Without a listener for it, a connection on which nothing moves is destroyed.
  server.timeout = requestMs;
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

type Page = (response: ServerResponse) => Promise<void> | void;

/** The pages by path. */
function pagesOf(content: HttpContent, clock: Clock, scrapeMs: number): ReadonlyMap<string, Page> {
  let checking: Promise<string | undefined> | undefined;
  const readiness = () => {
    checking ??= content.notReady().finally(() => {
      checking = undefined;
    });
    return checking;
  };
  let scrapes = 0;
  const scheduler = new RateLimitedScheduler(clock, { source: SCRAPE_ALLOWANCE, all: SCRAPE_ALLOWANCE, isExact: true });
  const scrape = async (response: ServerResponse): Promise<void> => {
    if (scrapes >= MAX_SCRAPES) {
      content.onOverflow("scrapes");
      response.setHeader("retry-after", "1");
      return plain(response, 503, `want at most ${MAX_SCRAPES} scrapes at once`);
    }
    scrapes += 1;
    const timer = clock.after(scrapeMs, () => {
      content.onOverflow("slow-scrapes");
      response.destroy();
    });
    try {
      response.setHeader("content-type", "text/plain; version=0.0.4; charset=utf-8");
      await pipeline(Readable.from(batched(content.metrics(), scheduler)), response);
    } finally {
      timer.cancel();
      scrapes -= 1;
    }
  };
  return new Map<string, Page>([
    ["/healthz", (response) => plain(response, 200, "ok")],
    [
      "/readyz",
      async (response) => {
        const reason = await readiness();
        return reason === undefined ? plain(response, 200, "ready") : plain(response, 503, reason);
      },
    ],
    ["/metrics", scrape],
  ]);
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  pages: ReadonlyMap<string, Page>,
): Promise<void> {
  const page = pages.get((request.url ?? "").split("?", 1)[0] ?? "");
  if (page === undefined) return plain(response, 404, "want /metrics, /healthz or /readyz");
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    return plain(response, 405, "want GET");
  }
  return page(response);
}

/** Joins small chunks into writes of 64 Ki characters. Each waits for the scheduler before it is made. */
async function* batched(chunks: AsyncIterable<string>, scheduler: RateLimitedScheduler): AsyncGenerator<string> {
  const turn = () => new Promise<void>((resolve) => scheduler.schedule("scrape", true, resolve));
  let waiting = "";
  await turn();
  for await (const chunk of chunks) {
    waiting += chunk;
    if (waiting.length < 65_536) continue;
    yield waiting;
    waiting = "";
    await turn();
  }
  yield waiting;
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(`${text}\n`);
}
