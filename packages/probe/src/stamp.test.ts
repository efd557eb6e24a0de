import { addNs, decodeSender, encodeReflected, ntpFromWallMs, type ReflectedPacket, reflect } from "@lifeline/stamp";
import { beforeAll, describe, expect, it } from "vitest";
import { probe } from "./probe.ts";
import { stampsReady, targetOf, worldOf } from "./testing/loopback.ts";
import { closedPort, type Peer, silentUdpPort, udpPeer } from "./testing/peers.ts";
import { PunctualClock } from "./testing/punctual-clock.ts";

beforeAll(stampsReady);

const stamp = { probe: "stamp", authenticated: false } as const;
const START = ntpFromWallMs(1_800_000_000_000);

/** A reflector with a residence time of `residenceMs`, that sends what `change` makes of its reply. */
function reflectorPeer(
  residenceMs: number,
  change: (reply: ReflectedPacket) => readonly ReflectedPacket[] = (reply) => [reply],
): Promise<Peer> {
  return udpPeer((bytes, from, socket) => {
    const request = decodeSender(bytes);
    if (request.kind !== "ok") throw new Error("the probe sent no STAMP packet");
    const reply = reflect(request.packet, START, addNs(START, residenceMs * 1e6));
    for (const packet of change(reply)) socket.send(encodeReflected(packet), from.port, from.address);
  });
}

describe("the STAMP probe", () => {
  it("is answered by the reply to its packet, with the kernel's arrival time", async () => {
    await using peer = await reflectorPeer(0);
    const sample = await probe(targetOf(stamp, peer), worldOf());
    expect(sample.outcome).toEqual({ reason: "answered", phase: "first-byte" });
    expect(sample.rtt?.source).toBe("kernel");
    expect(sample.evidence.address).toBe("127.0.0.1");
  });

  it("subtracts the residence time (T4 − T1 less T3 − T2)", async () => {
    const clock = new PunctualClock();
    await using peer = await reflectorPeer(100, (reply) => {
      clock.stall(110);
      return [reply];
    });
    const sample = await probe(targetOf(stamp, peer), worldOf({ clock }));
    const took = (sample.endedAtMs - sample.startedAtMs) * 1e6;
    expect(sample.outcome.reason).toBe("answered");
    expect(sample.rtt?.ns).toBeLessThanOrEqual(took - 100e6);
  });

  it("counts replies to other packets as strays, and finds its own", async () => {
    const earlier = (reply: ReflectedPacket) => ({
      ...reply,
      sender: { ...reply.sender, sequence: reply.sender.sequence - 1 },
    });
    const older = (reply: ReflectedPacket) => ({
      ...reply,
      sender: { ...reply.sender, sentAt: reply.sender.sentAt - 1n },
    });
    await using peer = await reflectorPeer(0, (reply) => [earlier(reply), older(reply), reply]);
    const sample = await probe(targetOf(stamp, peer), worldOf());
    expect(sample.outcome.reason).toBe("answered");
    expect(sample.evidence.strays).toBe(2);
    await using wrong = await reflectorPeer(0, (reply) => [earlier(reply)]);
    const lost = await probe(targetOf(stamp, { port: wrong.port, timeoutMs: 60 }), worldOf());
    expect(lost.outcome.reason).toBe("timeout");
    expect(lost.evidence.strays).toBe(1);
  });

  it.each([
    ["that is no STAMP packet", "short", () => udpPeer((_, from, socket) => socket.send("?", from.port, from.address))],
    ["with a residence time longer than T4 − T1", "residence", () => reflectorPeer(10_000)],
    ["with a negative residence time", "residence", () => reflectorPeer(-1)],
  ])("rejects a reply %s", async (_, code, open) => {
    await using peer = await open();
    const sample = await probe(targetOf(stamp, peer), worldOf());
    expect(sample.outcome).toEqual({ reason: "stamp-malformed", phase: "first-byte" });
    expect(sample.evidence.code).toBe(code);
    expect(sample.rtt).toBeUndefined();
  });

  it("is lost by silence and refused by a closed port", async () => {
    await using silent = await silentUdpPort();
    const lost = await probe(targetOf(stamp, { port: silent.port, timeoutMs: 60 }), worldOf());
    expect(lost.outcome).toEqual({ reason: "timeout", phase: "first-byte" });
    expect((await probe(targetOf(stamp, { port: await closedPort() }), worldOf())).outcome.reason).toBe("refused");
  });

  it("never looks like WireGuard, whatever number is drawn", async () => {
    const first: (number | undefined)[] = [];
    await using peer = await udpPeer((bytes, from, socket) => {
      first.push(bytes[0]);
      socket.send("?", from.port, from.address);
    });
    for (const chance of [0, 0.25, 0.999_999_999]) {
      await probe(targetOf(stamp, peer), worldOf({ random: () => chance }));
    }
    expect(first).toEqual([0x80, 0xa0, 0xff]);
  });

  it("is answered, not lost, when the event loop stalls past the deadline (M3)", async () => {
    const clock = new PunctualClock();
    await using peer = await udpPeer((bytes, from, socket) => {
      const request = decodeSender(bytes);
      if (request.kind !== "ok") throw new Error("the probe sent no STAMP packet");
      const reply = encodeReflected(reflect(request.packet, START, START));
      socket.send(reply, from.port, from.address, () => clock.stall(20_000));
    });
    const sample = await probe(targetOf(stamp, peer), worldOf({ clock }));
    expect(sample.outcome.reason).toBe("answered");
    expect(sample.rtt?.ns).toBeLessThan(10_000e6);
  });
});
