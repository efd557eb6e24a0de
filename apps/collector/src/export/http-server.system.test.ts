import { connect, type Socket } from "node:net";
import { type Clock, manualClock, NS_PER_MS, systemClock } from "@lifeline/measure";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../testing/wait.ts";
import { HTTP_TIMEOUTS, type HttpContent, type HttpTimeouts, MAX_SCRAPES, startHttp } from "./http-server.ts";

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** 64 KiB: a chunk as the server writes them. */
const CHUNK = "x".repeat(65_536);

async function serve(
  content: Partial<HttpContent> = {},
  timeouts: Partial<HttpTimeouts> = {},
  names: string[] = [],
  clock: Clock = systemClock,
) {
  const seen = { chunks: 0, ended: 0, overflows: [] as string[], refused: [] as string[], defects: [] as unknown[] };
  /** A scrape of 1 GiB, far more than any socket's buffers. */
  async function* endless() {
    try {
      for (let at = 0; at < 16_384; at++) {
        seen.chunks++;
        yield CHUNK;
      }
    } finally {
      seen.ended++;
    }
  }
  const { port, stop } = await startHttp(
    { host: "127.0.0.1", port: 0, names },
    {
      metrics: endless,
      notReady: async () => undefined,
      onDefect: (error) => seen.defects.push(error),
      onOverflow: (what) => seen.overflows.push(what),
      onRefused: (why) => seen.refused.push(why),
      ...content,
    },
    clock,
    { ...HTTP_TIMEOUTS, ...timeouts },
  );
  closers.push(stop);
  return { port, seen };
}

/** A socket to the server, and when it was closed. */
function dial(port: number): { socket: Socket; closed: Promise<void> } {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  closers.push(() => void socket.destroy());
  return { socket, closed: new Promise<void>((resolve) => socket.once("close", () => resolve())) };
}

/** Requests a scrape and never reads the response. */
function unreadScrape(port: number) {
  const dialled = dial(port);
  dialled.socket.pause();
  dialled.socket.write("GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
  return dialled;
}

/** The response to a request of these lines, and its first line. */
async function answerTo(port: number, ...lines: string[]): Promise<{ first: string; text: string }> {
  const { socket, closed } = dial(port);
  let text = "";
  socket.setEncoding("utf8").on("data", (more: string) => {
    text += more;
  });
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  await closed;
  return { first: text.split("\r\n", 1)[0] ?? "", text };
}

describe("the host that a request names (DNS rebinding)", () => {
  const ok = {
    metrics: async function* () {
      yield "up 1\n";
    },
  };
  const under = (port: number, host: string, path = "/metrics") =>
    answerTo(port, `GET ${path} HTTP/1.1`, `Host: ${host}`, "Connection: close");

  it.each([
    "127.0.0.1",
    "127.0.0.1:9471",
    "192.0.2.9:1",
    "[::1]:9471",
    "[2001:db8::1]",
    "localhost",
    "LocalHost:9471",
    "collector.monitoring.svc:9471",
    "Collector.monitoring.SVC.",
  ])("is right when it is an address, localhost or one of the names: %s", async (host) => {
    const { port, seen } = await serve(ok, {}, ["Collector.Monitoring.svc"]);
    expect((await under(port, host)).first).toBe("HTTP/1.1 200 OK");
    expect(seen.refused).toEqual([]);
  });

  it.each([
    "evil.example",
    "evil.example:9471",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example:127.0.0.1",
    "user@127.0.0.1",
    "[evil.example]",
    "::1",
    "127.1",
    "",
  ])("is wrong when it is any other: %j", async (host) => {
    const { port, seen } = await serve(ok, {}, ["collector.monitoring.svc"]);
    for (const path of ["/metrics", "/healthz", "/readyz", "/"]) {
      const { first, text } = await under(port, host, path);
      expect(first).toBe("HTTP/1.1 421 Misdirected Request");
      expect(text).toContain(
        "host: want an address, localhost, the host of httpListen, or one of httpNames (--http-name, LIFELINE_HTTP_NAMES)",
      );
    }
    expect(seen.refused).toEqual(Array(4).fill("unknown-host"));
  });

  it("is not needed by HTTP/1.0, which no browser speaks", async () => {
    const { port } = await serve(ok);
    expect((await answerTo(port, "GET /healthz HTTP/1.0")).first).toBe("HTTP/1.1 200 OK");
    expect((await answerTo(port, "GET /healthz HTTP/1.0", "Host: evil.example")).first).toContain("421");
  });
});

describe("a hostile client", () => {
  it("is cut off when its request arrives too slowly (slow loris)", async () => {
    const { port } = await serve({}, { requestMs: 200, checkMs: 50 });
    const { socket, closed } = dial(port);
    socket.write("GET /metrics HTTP/1.1\r\n");
    socket.resume();
    let drops = 0;
    const drop = () => {
      drops++;
      socket.write(`x-${drops}: y\r\n`);
    };
    drop();
    drop();
    const dropping = setInterval(drop, 20);
    await closed.finally(() => clearInterval(dropping));
    expect(drops).toBeGreaterThan(1);
  });

  it("that does not read gets no more than the buffers hold, and is cut off", async () => {
    const { port, seen } = await serve({}, { requestMs: 60_000, scrapeMs: 300 });
    const { socket, closed } = unreadScrape(port);
    await until(() => seen.overflows.length === 1);
    expect(seen.overflows).toEqual(["slow-scrapes"]);
    // What lies in the kernel's buffers is some MiB; the scrape is of 16,384 chunks.
    expect(seen.chunks).toBeLessThan(1_024);
    socket.resume();
    await closed;
    expect(seen.defects).toEqual([]);
  });

  it("with a stalled connection is cut off before its scrape has taken too long", async () => {
    const { port, seen } = await serve({}, { requestMs: 200, checkMs: 50, scrapeMs: 60_000 });
    const { socket, closed } = unreadScrape(port);
    await until(() => seen.ended === 1);
    const made = seen.chunks;
    expect(made).toBeGreaterThan(0);
    socket.resume();
    await closed;
    expect(seen).toMatchObject({ chunks: made, overflows: [] });
  });

  it("leaves room for others: scrapes are bounded, the next is refused, and served when one has ended", async () => {
    const { port, seen } = await serve();
    const deaf = Array.from({ length: MAX_SCRAPES }, () => unreadScrape(port));
    await until(() => seen.chunks >= MAX_SCRAPES);
    const refused = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(seen.overflows).toEqual(["scrapes"]);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    for (const { socket } of deaf) socket.destroy();
    await until(() => seen.ended === MAX_SCRAPES);
    const again = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect(again.status).toBe(200);
    await again.body?.cancel();
  });

  it("gets a scrape at no more than a quarter of the main thread's time", async () => {
    const clock = manualClock(0);
    let workedMs = 0;
    let chunks = 0;
    async function* dear() {
      for (; ; chunks++) {
        workedMs += 300;
        yield CHUNK;
      }
    }
    const monotonicNs = () => clock.monotonicNs() + workedMs * NS_PER_MS;
    const { port } = await serve({ metrics: dear }, {}, [], { ...clock, monotonicNs, threadCpuNs: monotonicNs });
    const scrape = await fetch(`http://127.0.0.1:${port}/metrics`);
    const reader = scrape.body?.getReader();
    const reading = (async () => {
      while (reader !== undefined && !(await reader.read()).done);
    })();
    reading.catch(() => {});
    // 2 s at once, and what comes back meanwhile.
    await until(() => chunks >= 8);
    const made = chunks;
    expect(made).toBeLessThan(12);
    clock.advance(10_000);
    await until(() => chunks > made);
    await reader?.cancel();
  });

  it("that sends many readiness checks at once causes one query of the store", async () => {
    let lookUps = 0;
    let ready = () => {};
    const notReady = () => {
      lookUps++;
      return new Promise<undefined>((resolve) => {
        ready = () => resolve(undefined);
      });
    };
    const { port } = await serve({ notReady });
    // In one segment, so that the server has all of them when it has the first.
    const requests = Array.from({ length: 20 }, () => "GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").join("");
    const answers = answerTo(port, `${requests}GET /healthz HTTP/1.1`, "Host: 127.0.0.1", "Connection: close");
    await until(() => lookUps === 1);
    ready();
    expect((await answers).text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(20 + 1);
    expect(lookUps).toBe(1);
    const next = fetch(`http://127.0.0.1:${port}/readyz`);
    await until(() => lookUps === 2);
    ready();
    expect((await next).status).toBe(200);
  });
});
