import { createServer } from "node:http";
import { createServer as createHttp2Server, createSecureServer, type ServerHttp2Stream } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createTlsServer } from "node:tls";
import { describe, expect, it } from "vitest";
import { UNKNOWN_METHOD } from "./grpc.ts";
import { probe } from "./probe.ts";
import { targetOf, worldOf } from "./testing/loopback.ts";
import { fixture, listening, type Peer, tcpPeer } from "./testing/peers.ts";

const pem = fixture("good.pem");
const trust = { kind: "private", caPem: fixture("root.pem") } as const;

function call(port: number, secure = false) {
  const options = { probe: "grpc", ...(secure ? { trust } : {}) } as const;
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
const trailersOnly = (status: string) => (stream: ServerHttp2Stream) =>
  stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": status }, { endStream: true });

/** The answer of a server that sends headers, perhaps a message, and then trailers. */
const withTrailers = (status: string, body: string | Buffer) => (stream: ServerHttp2Stream) => {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": status }));
  stream.end(body);
};

describe("the gRPC probe", () => {
  it("calls a method that no server has, as a gRPC client does", async () => {
    const seen: Record<string, unknown>[] = [];
    await using peer = await streamPeer((stream, headers) => {
      seen.push(headers);
      trailersOnly("12")(stream);
    });
    const sample = await call(peer.port);
    expect(sample.outcome).toEqual({ reason: "answered", phase: "first-byte" });
    expect(seen[0]).toMatchObject({
      ":method": "POST",
      ":path": UNKNOWN_METHOD,
      "content-type": "application/grpc",
      te: "trailers",
    });
  });

  it.each([
    ["UNIMPLEMENTED without a body", trailersOnly("12"), 12],
    ["UNIMPLEMENTED in trailers", withTrailers("12", ""), 12],
    ["UNAUTHENTICATED after a message", withTrailers("16", Buffer.alloc(5)), 16],
    ["OK", trailersOnly("0"), 0],
  ])("is answered by %s", async (_, serve, grpcStatus) => {
    await using peer = await streamPeer(serve);
    const sample = await call(peer.port);
    expect(sample.outcome.reason).toBe("answered");
    expect(sample.evidence).toMatchObject({ grpcStatus, httpStatus: 200 });
    expect(sample.rtt?.source).toBe("kernel");
  });

  it.each([
    ["415 of a proxy", 415, "", undefined],
    ["502 of a proxy", 502, "<html>", undefined],
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
      server.on("stream", trailersOnly("12"));
      server.on("sessionError", () => {});
      return listening(server);
    };
    await using good = await open("good.pem");
    expect((await call(good.port, true)).outcome.reason).toBe("answered");
    await using expired = await open("expired.pem");
    expect((await call(expired.port, true)).outcome).toEqual({ reason: "tls-expired", phase: "tls" });
  });
});
