import { readdirSync, readlinkSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { ProbeOptions } from "@lifeline/measure";
import { expect, it } from "vitest";
import { probe } from "./probe.ts";
import { targetOf, worldOf } from "./testing/loopback.ts";
import { closedPort, listening, silentTcpPort, silentUdpPort, tcpPeer, udpPeer } from "./testing/peers.ts";

const trust = { kind: "public" } as const;
const http = (version: "1.1" | "2") =>
  ({ probe: "http", expect: { method: "GET", path: "/", version, statuses: [] } }) as const;
const KINDS: readonly ProbeOptions[] = [
  { probe: "tcp", acceptReset: false },
  { probe: "tls", trust, alpn: [], alpnRequired: false },
  http("1.1"),
  http("2"),
  { probe: "grpc", expect: { method: "/s.S/M", status: 12, message: "*" } },
  { probe: "dns", query: "good.test", transport: "udp", type: "A" },
  { probe: "dns", query: "good.test", transport: "tcp", type: "A" },
  { probe: "udp", payloadBytes: 6, expectRefusal: false },
  { probe: "udp", payloadBytes: 6, expectRefusal: true },
  { probe: "stamp", authenticated: false },
  { probe: "ntp" },
  { probe: "nts", trust },
];

it("an attempt that ends by a defect leaves no socket open (S2)", async () => {
  await using silent = await tcpPeer((socket) => socket.resume());
  const world = worldOf();
  const before = openSockets();
  const options = { probe: "tls", trust, alpn: ["x".repeat(256)], alpnRequired: false } as const;
  const attempt = probe(targetOf(options, { port: silent.port, timeoutMs: 60 }), world);
  await expect(attempt).rejects.toMatchObject({ code: "ERR_OUT_OF_RANGE" });
  await expect.poll(() => socketsSince(before)).toEqual([]);
});

/**
 * The sockets of this process, each by its inode (proc(5)). A file that something else has open for a moment is none.
 */
function openSockets(): readonly string[] {
  return readdirSync("/proc/self/fd")
    .map(linkOf)
    .filter((link) => link.startsWith("socket:"));
}

function socketsSince(before: readonly string[]): readonly string[] {
  return openSockets().filter((socket) => !before.includes(socket));
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    // Closed since the folder was read.
    return "";
  }
}

it.each(KINDS.map((options) => [options.probe, options] as const))(
  "an attempt of %s leaves no socket open, however it ends (S2)",
  async (_, options) => {
    // Peers that read close their end when the probe closes its end.
    await using silent = await tcpPeer((socket) => socket.resume());
    await using answering = await listening(createServer((_request, response) => response.write("endless")));
    await using http2 = await listening(createHttp2Server((_request, response) => response.end()));
    await using echo = await udpPeer((bytes, from, socket) => socket.send(bytes, from.port, from.address));
    await using silentTcp = await silentTcpPort();
    await using silentUdp = await silentUdpPort();
    const peers = [silent, answering, http2, echo, silentTcp, silentUdp];
    const ports = [...peers.map(({ port }) => port), await closedPort()];
    const world = worldOf();
    const before = openSockets();
    await Promise.all(ports.map((port) => probe(targetOf(options, { port, timeoutMs: 60 }), world)));
    // A session of STAMP outlives its attempts; it ends with its world.
    world.sessions.close();
    await expect.poll(() => socketsSince(before)).toEqual([]);
  },
);
