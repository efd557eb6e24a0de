import { createServer } from "node:http";
import { createServer as createHttp2Server, createSecureServer, type ServerHttp2Stream } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createTlsServer } from "node:tls";
import { describe, expect, it } from "vitest";
import { probe } from "./probe.ts";
import { targetOf, worldOf } from "./testing/loopback.ts";
import { fixture, listening, type Peer, tcpPeer } from "./testing/peers.ts";

const pem = fixture("good.pem");
const trust = { kind: "private", caPem: fixture("root.pem") } as const;
const SERVICE = "sidero.link.ProvisionService";
const expectation = { method: `/${SERVICE}/Unknown`, status: 12, message: `unknown method * for service ${SERVICE}` };
/** What grpc-go answers to a method that the service does not have. */
const UNKNOWN = `unknown method Unknown for service ${SERVICE}`;

function call(port: number, secure = false) {
  const options = { probe: "grpc", expect: expectation, ...(secure ? { trust } : {}) } as const;
  return probe(targetOf(options, { port, host: "localhost", timeoutMs: secure ? 10_000 : 300 }), worldOf());
}

function streamPeer(serve: (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void): Promise<Peer> {
  const server = createHttp2Server();
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    serve(stream, headers);
  });
  return listening(server);
}

/** The answer of grpc-go to an unknown method: headers and status in one block. */
const trailersOnly =
  (status: string, message = "") =>
  (stream: ServerHttp2Stream) =>
    stream.respond(
      { ":status": 200, "content-type": "application/grpc", "grpc-status": status, "grpc-message": message },
      { endStream: true },
    );

/** The answer of a server that sends headers, perhaps a message, and then trailers. */
const withTrailers = (status: string, message: string, body: string | Buffer) => (stream: ServerHttp2Stream) => {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": status, "grpc-message": message }));
  stream.end(body);
};

describe("the gRPC probe", () => {
  it("calls the method of the expectation, as a gRPC client does", async () => {
    const seen: Record<string, unknown>[] = [];
    await using peer = await streamPeer((stream, headers) => {
      seen.push(headers);
      trailersOnly("12", UNKNOWN)(stream);
    });
    const sample = await call(peer.port);
    expect(sample.outcome).toEqual({ reason: "answered", phase: "first-byte" });
    expect(seen[0]).toMatchObject({
      ":method": "POST",
      ":path": expectation.method,
      "content-type": "application/grpc",
      te: "trailers",
    });
  });

  it.each([
    ["UNIMPLEMENTED in one block", trailersOnly("12", UNKNOWN), "answered"],
    ["UNIMPLEMENTED in trailers", withTrailers("12", UNKNOWN, ""), "answered"],
    ["UNIMPLEMENTED with an encoded message", trailersOnly("12", UNKNOWN.replaceAll(" ", "%20")), "answered"],
    ["UNIMPLEMENTED without a message", trailersOnly("12"), "grpc-other-server"],
    ["a server without the service", trailersOnly("12", `unknown service ${SERVICE}`), "grpc-other-server"],
    ["another service", trailersOnly("12", "unknown method Unknown for service a.B"), "grpc-other-server"],
    ["a message that only contains the text", trailersOnly("12", `no ${UNKNOWN}`), "grpc-other-server"],
    ["a proxy with a dead upstream", trailersOnly("14", "no healthy upstream"), "upstream-down"],
    ["a proxy that denies", trailersOnly("7", "RBAC: access denied"), "grpc-denied"],
    ["a proxy that wants credentials", withTrailers("16", "", Buffer.alloc(5)), "grpc-credentials"],
    ["another status with the text", trailersOnly("5", UNKNOWN), "grpc-status"],
    ["OK", trailersOnly("0"), "grpc-status"],
    ["a deadline", trailersOnly("4"), "grpc-status"],
  ])("judges %s", async (_, serve, reason) => {
    await using peer = await streamPeer(serve);
    const sample = await call(peer.port);
    expect(sample.outcome).toEqual({ reason, phase: "first-byte" });
    expect(sample.evidence.httpStatus).toBe(200);
    expect(sample.rtt?.source).toBe("kernel");
  });

  it("keeps the status and a bounded, decoded message", async () => {
    await using peer = await streamPeer(trailersOnly("14", `caf%C3%A9 100%% ${"x".repeat(5_000)}`));
    const { evidence } = await call(peer.port);
    expect(evidence.grpcStatus).toBe(14);
    expect(evidence.grpcMessage).toMatch(/^café 100%% x+$/);
    expect(evidence.grpcMessage).toHaveLength(256);
  });

  it("obeys the pause of a proxy that limits its callers", async () => {
    await using peer = await streamPeer((stream) =>
      stream.respond({ ":status": 429, "retry-after": "30" }, { endStream: true }),
    );
    const { outcome, evidence } = await call(peer.port);
    expect([outcome.reason, evidence.retryAfterMs]).toEqual(["rate-limited", 30_000]);
  });

  it.each([
    ["415 of a proxy", 415, "", undefined],
    ["404 of a proxy", 404, "<html>", undefined],
    ["HTML with 200", 200, "<html>".repeat(20_000), undefined],
    ["a status that is no number", 200, "", "twelve"],
  ])("is not answered by %s", async (_, status, body, grpcStatus) => {
    await using peer = await streamPeer((stream) => {
      stream.respond({ ":status": status, ...(grpcStatus === undefined ? {} : { "grpc-status": grpcStatus }) });
      stream.end(body);
    });
    const sample = await call(peer.port);
    expect(sample.outcome).toEqual({ reason: "grpc-protocol", phase: "first-byte" });
    expect(sample.evidence).toMatchObject({ httpStatus: status });
  });

  it.each([
    [401, "grpc-credentials"],
    [403, "grpc-denied"],
    [502, "upstream-down"],
    [503, "upstream-down"],
    [504, "upstream-down"],
  ])("reads the HTTP status %i of a proxy without gRPC as a gRPC client does", async (status, reason) => {
    await using peer = await streamPeer((stream) => {
      stream.respond({ ":status": status, "content-type": "text/html" });
      stream.end("<html>");
    });
    const sample = await call(peer.port);
    expect([sample.outcome.reason, sample.evidence.httpStatus]).toEqual([reason, status]);
  });

  it("does not read a body without end", async () => {
    await using peer = await streamPeer((stream) => {
      stream.respond({ ":status": 200, "content-type": "text/html" });
      stream.write("x".repeat(100_000));
    });
    expect((await call(peer.port)).outcome).toEqual({ reason: "grpc-protocol", phase: "first-byte" });
  });

  it("is not answered by HTTP/1.1, in cleartext or over TLS", async () => {
    await using clear = await listening(createServer((_, response) => response.end()));
    expect((await call(clear.port)).outcome.reason).toBe("grpc-protocol");
    // TLS without ALPN: the handshake completes, and the server speaks HTTP/1.1 (RFC 9113 §3.2).
    await using plain = await listening(createTlsServer({ cert: pem, key: pem }));
    expect((await call(plain.port, true)).outcome).toEqual({ reason: "grpc-protocol", phase: "tls" });
    // TLS that offers HTTP/1.1 alone refuses h2 by an alert (RFC 7301 §3.2).
    await using secure = await listening(createHttpsServer({ cert: pem, key: pem, ALPNProtocols: ["http/1.1"] }));
    expect((await call(secure.port, true)).outcome).toEqual({ reason: "alpn-mismatch", phase: "tls" });
  });

  it("distinguishes a refused stream from a reset connection", async () => {
    await using refusing = await streamPeer((stream) => stream.close(7));
    expect((await call(refusing.port)).outcome.reason).toBe("grpc-protocol");
    await using resetting = await tcpPeer((socket) => socket.once("data", () => socket.resetAndDestroy()));
    expect((await call(resetting.port)).outcome.reason).toBe("reset");
  });

  it("times out when the server never answers", async () => {
    await using peer = await streamPeer(() => {});
    expect((await call(peer.port)).outcome).toEqual({ reason: "handshake-timeout", phase: "first-byte" });
  });

  it("is answered over TLS by a trusted server only", async () => {
    const open = async (certificate: string) => {
      const server = createSecureServer({ cert: fixture(certificate), key: fixture(certificate) });
      server.on("stream", trailersOnly("12", UNKNOWN));
      server.on("sessionError", () => {});
      return listening(server);
    };
    await using good = await open("good.pem");
    expect((await call(good.port, true)).outcome.reason).toBe("answered");
    await using expired = await open("expired.pem");
    expect((await call(expired.port, true)).outcome).toEqual({ reason: "tls-expired", phase: "tls" });
  });
});
