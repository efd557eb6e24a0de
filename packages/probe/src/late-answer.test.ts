/** Answers after the loss threshold, over real sockets. Each peer answers when the attempt is silent. */
import { createServer } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { ProbeOptions, Sample, Target } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { openKernelClock } from "./kernel.ts";
import { probe } from "./probe.ts";
import type { Silence, SilenceWatch } from "./silence-watch.ts";
import { targetOf, temporaryFile, worldOf } from "./testing/loopback.ts";
import { fixture, listening, silentTcpPort, tcpPeer, udpPeer } from "./testing/peers.ts";
import type { ProbeWorld } from "./world.ts";

const TCP = { probe: "tcp", acceptReset: false } as const;
const UDP = { probe: "udp", payloadBytes: 16, expectRefusal: false } as const;
const DNS = { probe: "dns", query: "omni.test", type: "A", transport: "udp" } as const;
const TIMEOUT_MS = 100;

/** An owner that watches, and does `act` at the first silence. */
function watcher(act: (silence: Silence) => void): SilenceWatch {
  let silences = 0;
  return {
    silent(silence) {
      silences += 1;
      if (silences === 1) act(silence);
      return true;
    },
    heard() {},
  };
}

function lateProbe(
  options: ProbeOptions,
  changes: Partial<Target> & { port: number },
  act: (silence: Silence) => void,
  world: ProbeWorld = worldOf(),
): Promise<Sample> {
  return probe(targetOf(options, { timeoutMs: TIMEOUT_MS, ...changes }), world, watcher(act));
}

describe("a TCP handshake after the threshold", () => {
  const slowKernel = { ...(openKernelClock() as NonNullable<ReturnType<typeof openKernelClock>>) };

  it("is late with its round trip, where the kernel's figure is that of the whole handshake", async () => {
    await using peer = await silentTcpPort();
    const kernel = { ...slowKernel, tcpInfo: () => ({ rttNs: 1_200e6, totalRetransmits: 1 }) };
    const sample = await lateProbe(TCP, peer, () => peer.open(), worldOf({ kernel }));
    expect(sample.outcome).toEqual({ reason: "late", phase: "connect" });
    expect(sample.evidence).toMatchObject({ lateRttNs: 1_200e6, synRetransmits: 1, address: "127.0.0.1" });
    expect(sample.rtt).toBeUndefined();
    expect(sample.phases.connectNs).toBeUndefined();
  });

  it("is one lost SYN, where the kernel's figure is that of the second one alone", async () => {
    await using peer = await silentTcpPort();
    const sample = await lateProbe(TCP, peer, () => peer.open());
    expect(sample.outcome).toEqual({ reason: "syn-lost", phase: "connect" });
    expect(sample.evidence.synRetransmits).toBeGreaterThanOrEqual(1);
    expect(sample.evidence.lateRttNs).toBeUndefined();
    expect(sample.rtt).toBeUndefined();
  });

  it("is late where nothing tells which SYN was answered", async () => {
    await using peer = await silentTcpPort();
    const sample = await lateProbe(TCP, peer, () => peer.open(), worldOf({ kernel: "none" }));
    expect(sample.outcome.reason).toBe("late");
    expect(sample.evidence.lateRttNs).toBeGreaterThan(TIMEOUT_MS * 1e6);
  });

  it.each([
    ["a refusal all the same: it proves that nothing listens", false, "refused"],
    ["late where a refusal is the answer", true, "late"],
  ])("that is refused is %s", async (_, acceptReset, reason) => {
    await using peer = await silentTcpPort();
    const sample = await lateProbe({ probe: "tcp", acceptReset }, peer, () => peer.refuse());
    expect(sample.outcome).toEqual({ reason, phase: "connect" });
    expect(sample.rtt).toBeUndefined();
  });

  it("that never comes is lost, and so is one that is given up", async () => {
    await using peer = await silentTcpPort();
    const lost = await lateProbe(TCP, peer, () => {});
    expect(lost.outcome).toEqual({ reason: "timeout", phase: "connect" });
    const given = await lateProbe(TCP, peer, ({ giveUp }) => giveUp());
    expect(given.outcome).toEqual({ reason: "timeout", phase: "connect" });
  });
});

describe("an exchange that is late", () => {
  it.each([
    ["udp", UDP],
    ["dns", DNS],
  ] as const)("over %s has its round trip as evidence and no latency", async (_, options) => {
    let answer = () => {};
    await using peer = await udpPeer((bytes, from, socket) => {
      const reply = Buffer.from(bytes);
      if (options.probe === "dns") reply.writeUInt16BE(0x8180, 2);
      answer = () => socket.send(reply, from.port, from.address);
    });
    const sample = await lateProbe(options, peer, () => answer());
    expect(sample.outcome.reason).toBe("late");
    expect(sample.evidence.lateRttNs).toBeGreaterThanOrEqual(TIMEOUT_MS * 1e6);
    expect(sample.rtt).toBeUndefined();
  });

  it.each([
    ["late when its certificate is right", "good.pem", "late"],
    ["judged by its certificate when that has a fault", "expired.pem", "tls-expired"],
  ])("over TLS is %s", async (_, pem, reason) => {
    let go = () => {};
    const secure = createTlsServer({ cert: fixture(pem), key: fixture(pem) });
    secure.on("tlsClientError", () => {});
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      socket.on("error", () => {});
      go = () => secure.emit("connection", socket);
    });
    await using peer = await listening(server);
    using hosts = temporaryFile("hosts", "127.0.0.1 peer.test\n");
    const tls = { probe: "tls", trust: { kind: "public" }, alpn: [], alpnRequired: false } as const;
    const world = worldOf({ hostsFile: hosts.path });
    const sample = await lateProbe(tls, { port: peer.port, host: "peer.test" }, () => go(), world);
    expect(sample.outcome).toEqual({ reason, phase: "tls" });
    expect(sample.evidence.chain?.[0]?.subject).toBe("CN=peer.test");
    expect(sample.evidence.lateRttNs).toBeGreaterThanOrEqual(TIMEOUT_MS * 1e6);
  });

  it.each([
    ["late when it is the expected one", 200, "late"],
    ["judged by its status when that is another", 404, "http-status"],
  ])("over HTTP is %s", async (_, status, reason) => {
    let answer = () => {};
    await using peer = await tcpPeer((socket) => {
      answer = () => socket.end(`HTTP/1.1 ${status} x\r\ncontent-length: 0\r\n\r\n`);
    });
    const expectation = { method: "GET", path: "/", version: "1.1", statuses: [200] } as const;
    const sample = await lateProbe({ probe: "http", expect: expectation }, peer, () => answer());
    expect(sample.outcome).toEqual({ reason, phase: "first-byte" });
    expect(sample.evidence.httpStatus).toBe(status);
  });
});
