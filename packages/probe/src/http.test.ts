import { createServer, type RequestListener } from "node:http";
import { createServer as createHttp2Server, createSecureServer } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import type { HttpExpectation } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { probe } from "./probe.ts";
import { targetOf, worldOf } from "./testing/loopback.ts";
import { fixture, listening, tcpPeer } from "./testing/peers.ts";
import { PunctualClock } from "./testing/punctual-clock.ts";

const expectation: HttpExpectation = { method: "GET", path: "/healthz", version: "1.1", statuses: [200] };
const trust = { kind: "private", caPem: fixture("root.pem") } as const;

/**
 * One attempt. Where silence is expected it is short; where durations are, the clock must not stand still within it.
 */
function probeHttp(
  port: number,
  changes: Partial<HttpExpectation> = {},
  secure = false,
  world = worldOf(),
  timeoutMs = 10_000,
) {
  const options = { probe: "http", expect: { ...expectation, ...changes }, ...(secure ? { trust } : {}) } as const;
  return probe(targetOf(options, { port, host: "localhost", timeoutMs }), world);
}

const statusPeer = (status: number, headers: Record<string, string> = {}) =>
  listening(createServer((_, response) => response.writeHead(status, headers).end("body")));

describe("the HTTP probe over HTTP/1.1", () => {
  it("is answered by an expected status, and sends the method, path and host of the target", async () => {
    const requests: unknown[] = [];
    await using peer = await listening(
      createServer((request, response) => {
        requests.push([request.method, request.url, request.headers.host]);
        response.end("ok");
      }),
    );
    const sample = await probeHttp(peer.port, { method: "HEAD", path: "/healthz?full=1" });
    expect(sample.outcome).toEqual({ reason: "answered", phase: "first-byte" });
    expect(requests).toEqual([["HEAD", "/healthz?full=1", `localhost:${peer.port}`]]);
    expect(sample.evidence.httpStatus).toBe(200);
    expect(sample.phases.requestNs).toBeGreaterThanOrEqual(0);
    expect(sample.phases.firstByteNs).toBeGreaterThan(0);
    expect(sample.rtt?.source).toBe("kernel");
  });

  it("has no duration when this process stalled before it read the response (M3)", async () => {
    const clock = new PunctualClock();
    await using peer = await tcpPeer((socket) =>
      socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\n\r\n", () => clock.stall(20_000))),
    );
    const sample = await probeHttp(peer.port, {}, false, worldOf({ clock }));
    expect(sample.outcome).toEqual({ reason: "stalled", phase: "first-byte" });
    expect(sample.phases.firstByteNs).toBeUndefined();
  });

  it.each([
    [404, [200], "http-status"],
    [404, [], "answered"],
    [503, [], "http-status"],
    [503, [503], "answered"],
  ])("judges status %d against %j: %s", async (status, statuses, reason) => {
    await using peer = await statusPeer(status);
    expect((await probeHttp(peer.port, { statuses })).outcome.reason).toBe(reason);
  });

  it.each([
    ["another host", "http://portal.test/login?token=secret", [], "http-redirected", "http://portal.test/login"],
    ["another host, which was expected", "https://cdn.test/blob", [302], "answered", "https://cdn.test/blob"],
    ["the same host", "/elsewhere", [], "answered", undefined],
    ["a location that cannot be parsed", "http://[", [], "answered", undefined],
  ])("records and does not follow a redirect to %s", async (_, location, statuses, reason, recorded) => {
    await using peer = await statusPeer(302, { location });
    const sample = await probeHttp(peer.port, { statuses });
    expect(sample.outcome.reason).toBe(reason);
    if (recorded !== undefined) expect(sample.evidence.redirects).toEqual([recorded]);
  });

  it.each([
    ["is silent", () => {}, "handshake-timeout"],
    ["resets", (socket) => socket.once("data", () => socket.resetAndDestroy()), "reset"],
    ["closes", (socket) => socket.once("data", () => socket.end()), "reset"],
    ["speaks no HTTP", (socket) => socket.once("data", () => socket.end("SSH-2.0-OpenSSH\r\n")), "http-protocol"],
    [
      "switches protocols unasked",
      (socket) => socket.end("HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n"),
      "http-status",
    ],
    ["sends headers without end", (socket) => flood(socket), "http-protocol"],
  ] satisfies [string, Parameters<typeof tcpPeer>[0], string][])("judges a peer that %s", async (_, serve, reason) => {
    await using peer = await tcpPeer(serve);
    expect((await probeHttp(peer.port, {}, false, worldOf(), 300)).outcome).toEqual({ reason, phase: "first-byte" });
  });

  it("does not wait for a body that never ends", async () => {
    await using peer = await listening(createServer((_, response) => response.writeHead(200).write("endless")));
    expect((await probeHttp(peer.port)).outcome.reason).toBe("answered");
  });

  it("speaks over TLS", async () => {
    const pem = fixture("good.pem");
    await using peer = await listening(createHttpsServer({ cert: pem, key: pem }, (_, response) => response.end()));
    const sample = await probeHttp(peer.port, {}, true);
    expect(sample.outcome.reason).toBe("answered");
    expect(sample.evidence).toMatchObject({ alpn: "http/1.1", httpStatus: 200 });
  });
});

describe("the HTTP probe over HTTP/2", () => {
  const pem = fixture("good.pem");
  const ok: RequestListener = (_, response) => response.end("ok");

  it("is answered over TLS and in cleartext", async () => {
    await using secure = await listening(
      createSecureServer({ cert: pem, key: pem }, (_, response) => response.end("ok")),
    );
    const sample = await probeHttp(secure.port, { version: "2" }, true);
    expect(sample.outcome).toEqual({ reason: "answered", phase: "first-byte" });
    expect(sample.evidence).toMatchObject({ alpn: "h2", httpStatus: 200 });
    await using clear = await listening(createHttp2Server((_, response) => response.end("ok")));
    expect((await probeHttp(clear.port, { version: "2" })).outcome.reason).toBe("answered");
  });

  it("detects a server that only speaks HTTP/1.1", async () => {
    await using secure = await listening(createHttpsServer({ cert: pem, key: pem, ALPNProtocols: ["http/1.1"] }, ok));
    expect((await probeHttp(secure.port, { version: "2" }, true)).outcome).toEqual({
      reason: "http-protocol",
      phase: "tls",
    });
    await using clear = await listening(createServer(ok));
    expect((await probeHttp(clear.port, { version: "2" })).outcome.reason).toBe("http-protocol");
  });

  it("judges status and redirects like HTTP/1.1", async () => {
    await using peer = await listening(
      createHttp2Server((_, response) => response.writeHead(302, { location: "http://portal.test/" }).end()),
    );
    expect((await probeHttp(peer.port, { version: "2", statuses: [] })).outcome.reason).toBe("http-redirected");
  });

  it("distinguishes a silent peer from one that resets", async () => {
    await using silent = await tcpPeer();
    const attempt = await probeHttp(silent.port, { version: "2" }, false, worldOf(), 300);
    expect(attempt.outcome.reason).toBe("handshake-timeout");
    await using resetting = await tcpPeer((socket) => socket.once("data", () => socket.resetAndDestroy()));
    expect((await probeHttp(resetting.port, { version: "2" })).outcome.reason).toBe("reset");
  });
});

function flood(socket: import("node:net").Socket): void {
  socket.write("HTTP/1.1 200 OK\r\n");
  socket.write(`x-filler: ${"x".repeat(60_000)}\r\n`);
}
