import { createServer, type RequestListener } from "node:http";
import { createServer as createHttp2Server, createSecureServer } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { gzipSync } from "node:zlib";
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
    [404, [404], "answered"],
    [404, [], "http-status"],
    [403, [], "http-status"],
    [399, [], "answered"],
    [500, [], "http-status"],
    [502, [], "upstream-down"],
    [503, [200], "upstream-down"],
    [504, [], "upstream-down"],
    [503, [503], "answered"],
    [429, [], "rate-limited"],
    [429, [429], "rate-limited"],
  ])("judges status %d against %j: %s", async (status, statuses, reason) => {
    await using peer = await statusPeer(status);
    expect((await probeHttp(peer.port, { statuses })).outcome.reason).toBe(reason);
  });

  it.each([
    ["another host", "https://portal.test/login?token=secret", [], "http-redirected", "https://portal.test"],
    ["another host, whatever the status", "https://portal.test/", [302], "http-redirected", "https://portal.test"],
    ["a documented host", "https://cdn.test/blob?signature=secret", [302], "answered", "https://cdn.test"],
    ["a host of a documented domain", "https://a.b.storage.test/x", [], "answered", "https://a.b.storage.test"],
    ["the domain itself", "https://storage.test/x", [], "http-redirected", "https://storage.test"],
    ["a documented host in cleartext", "http://cdn.test/blob", [], "http-redirected", "http://cdn.test"],
    ["another port of it", "https://cdn.test:8443/", [], "http-redirected", "https://cdn.test:8443"],
    ["an address", "https://192.0.2.1/", [], "http-redirected", "https://192.0.2.1"],
    ["an IPv6 address", "https://[2001:db8::1]/", [], "http-redirected", "https://[2001:db8::1]"],
    [
      "a documented host, with a status that is not expected",
      "https://cdn.test/",
      [200],
      "http-status",
      "https://cdn.test",
    ],
    ["the same host", "/elsewhere", [], "answered", undefined],
    ["a location that cannot be parsed", "http://[", [], "answered", undefined],
  ])("records and does not follow a redirect to %s", async (_, location, statuses, reason, recorded) => {
    await using peer = await statusPeer(302, { location });
    const documentedHosts = ["cdn.test", "*.storage.test", "192.0.2.1"];
    const options = { probe: "http", expect: { ...expectation, statuses }, documentedHosts } as const;
    const sample = await probe(targetOf(options, { port: peer.port, host: "localhost" }), worldOf());
    expect(sample.outcome.reason).toBe(reason);
    if (recorded !== undefined) expect(sample.evidence.redirects).toEqual([recorded]);
    expect(JSON.stringify(sample)).not.toContain("secret");
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

const PAGE = "<html><title>\n  Log   in </title><body>password?</body></html>";

describe("an empty body that is expected", () => {
  const gzipped = (text: string) => ({ "content-encoding": "gzip", body: gzipSync(text) });
  it.each([
    ["none", {}, "", "answered", {}],
    ["none, in chunks", { "transfer-encoding": "chunked" }, "", "answered", {}],
    ["none, compressed", { "content-encoding": "gzip" }, gzipped("").body, "answered", {}],
    [
      "a page",
      { "content-type": "text/html; charset=utf-8", "content-length": String(PAGE.length) },
      PAGE,
      "unexpected-page",
      { bodyBytes: PAGE.length, contentType: "text/html", pageTitle: "Log in" },
    ],
    [
      "a page in chunks",
      { "transfer-encoding": "chunked" },
      PAGE,
      "unexpected-page",
      { bodyBytes: PAGE.length, pageTitle: "Log in" },
    ],
    [
      "a compressed page",
      { "content-type": "text/html", "content-encoding": "gzip" },
      gzipped(PAGE).body,
      "unexpected-page",
      { bodyBytes: PAGE.length, contentType: "text/html", pageTitle: "Log in" },
    ],
    ["what is not compressed as it says", { "content-encoding": "gzip" }, "page", "unexpected-page", { bodyBytes: 4 }],
    ["text without a title", {}, "ok", "unexpected-page", { bodyBytes: 2 }],
  ] as const)("of %s is judged over both versions", async (_, headers, body, reason, evidence) => {
    const { "transfer-encoding": _chunked, ...http2Headers } = headers as Record<string, string>;
    await using http1 = await listening(
      createServer((_request, response) => response.writeHead(200, headers).end(body)),
    );
    await using http2 = await listening(
      createHttp2Server((_request, response) => response.writeHead(200, http2Headers).end(body)),
    );
    for (const [port, version] of [
      [http1.port, "1.1"],
      [http2.port, "2"],
    ] as const) {
      const sample = await probeHttp(port, { version, body: "empty" });
      expect(sample.outcome).toEqual({ reason, phase: "first-byte" });
      const { bodyBytes, contentType, pageTitle } = sample.evidence;
      expect({ bodyBytes, contentType, pageTitle }).toEqual(evidence);
      expect(JSON.stringify(sample)).not.toContain("password");
    }
  });

  it("is decided by the first bytes of a page that never ends", async () => {
    await using peer = await listening(createServer((_, response) => response.writeHead(200).write("endless")));
    expect((await probeHttp(peer.port, { body: "empty" })).outcome.reason).toBe("unexpected-page");
  });

  it("is judged by the status first", async () => {
    await using peer = await statusPeer(403);
    expect((await probeHttp(peer.port, { body: "empty" })).outcome.reason).toBe("http-status");
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
