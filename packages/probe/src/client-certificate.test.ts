import { createSecureServer } from "node:http2";
import type { TLSSocket } from "node:tls";
import type { ProbeOptions } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { probe } from "./probe.ts";
import { targetOf, worldOf } from "./testing/loopback.ts";
import { fixture, listening } from "./testing/peers.ts";

const trust = { kind: "private", caPem: fixture("root.pem") } as const;
const http = (version: "1.1" | "2"): ProbeOptions => ({
  probe: "http",
  trust,
  expect: { method: "GET", path: "/", version, statuses: [] },
});
const grpc: ProbeOptions = { probe: "grpc", trust, expect: { method: "/a.B/C", status: 12, message: "*" } };

describe("a server that wants a client certificate", () => {
  it.each([
    ["HTTP/1.1", http("1.1")],
    ["HTTP/2", http("2")],
    ["gRPC", grpc],
  ])("says so by an alert, which in TLS 1.3 comes after the handshake: %s", async (_, options) => {
    const pem = fixture("good.pem");
    const server = createSecureServer({
      cert: pem,
      key: pem,
      ca: trust.caPem,
      requestCert: true,
      rejectUnauthorized: true,
      allowHTTP1: true,
    });
    server.on("secureConnection", (socket: TLSSocket) => socket.on("error", () => {}));
    await using peer = await listening(server);
    const { outcome, evidence } = await probe(targetOf(options, { port: peer.port, host: "localhost" }), worldOf());
    expect(outcome.reason).toBe("tls-alert");
    expect(evidence.tlsAlert).toBe(116);
  });
});
