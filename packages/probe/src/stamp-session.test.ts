import { decodeSender, encodeReflected, ntpFromWallMs, reflect, sequenceAt } from "@lifeline/stamp";
import { beforeAll, describe, expect, it } from "vitest";
import { probe } from "./probe.ts";
import { stampsReady, targetOf, worldOf } from "./testing/loopback.ts";
import { closedPort, udpPeer } from "./testing/peers.ts";

beforeAll(stampsReady);

const open = { probe: "stamp", authenticated: false } as const;
const keyed = { probe: "stamp", authenticated: true } as const;
const KEY = new TextEncoder().encode("0123456789abcdef");
const START = ntpFromWallMs(1_800_000_000_000);

/** What happens to a request: it is answered, answered twice, or lost on the forward or the return path. */
type Fate = "answer" | "twice" | "forward" | "return";

/** A stateful reflector behind a path with these fates, in the order of requests. Later requests are answered. */
function statefulPeer(fates: readonly Fate[], key?: Uint8Array) {
  const sources = new Set<number>();
  let requests = 0;
  let reflected = 0;
  const peer = udpPeer((bytes, from, socket) => {
    sources.add(from.port);
    const fate = fates[requests++] ?? "answer";
    const request = decodeSender(bytes, key);
    if (fate === "forward" || request.kind !== "ok") return;
    const reply = encodeReflected(reflect(request.packet, START, START, 255, sequenceAt(reflected++)), key);
    if (fate === "return") return;
    for (let copies = fate === "twice" ? 2 : 1; copies > 0; copies -= 1) socket.send(reply, from.port, from.address);
  });
  return { peer, sources };
}

describe("a session of STAMP", () => {
  it("keeps its port, and shows in which direction packets are lost", async () => {
    const { peer: opening, sources } = statefulPeer(["answer", "forward", "return", "answer", "twice", "answer"]);
    await using peer = await opening;
    const world = worldOf();
    const target = targetOf(open, { port: peer.port, timeoutMs: 60 });
    const samples = [];
    for (let sent = 0; sent < 6; sent += 1) samples.push(await probe(target, world));
    expect(samples.map(({ outcome }) => outcome.reason)).toEqual([
      "answered",
      "timeout",
      "timeout",
      "answered",
      "answered",
      "answered",
    ]);
    expect(samples[3]?.directions).toEqual({
      forwardSent: 3,
      forwardLost: 1,
      returnSent: 2,
      returnLost: 1,
      duplicates: 0,
      reordered: 0,
    });
    const duplicates = samples.reduce((sum, { directions }) => sum + (directions?.duplicates ?? 0), 0);
    expect(duplicates).toBe(1);
    expect(sources.size).toBe(1);
    world.sessions.close();
  });

  it("shows no direction when the reflector copies the number (M4)", async () => {
    await using peer = await udpPeer((bytes, from, socket) => {
      const request = decodeSender(bytes);
      if (request.kind !== "ok") return;
      socket.send(encodeReflected(reflect(request.packet, START, START)), from.port, from.address);
    });
    const world = worldOf();
    for (let sent = 0; sent < 3; sent += 1) {
      expect((await probe(targetOf(open, peer), world)).directions).toBeUndefined();
    }
    world.sessions.close();
  });

  it("is authenticated with the key, and not sent without one", async () => {
    const { peer: opening } = statefulPeer([], KEY);
    await using peer = await opening;
    const reasonWith = async (stampKey?: Uint8Array) => {
      const world = worldOf(stampKey === undefined ? {} : { stampKey });
      const sample = await probe(targetOf(keyed, { port: peer.port, timeoutMs: 60 }), world);
      world.sessions.close();
      return sample.outcome.reason;
    };
    expect(await reasonWith(KEY)).toBe("answered");
    expect(await reasonWith(new TextEncoder().encode("another key of 16"))).toBe("timeout");
    expect(await reasonWith()).toBe("stamp-unkeyed");
  });

  it("survives a refusal, and starts again when its target has moved", async () => {
    const { peer: opening, sources } = statefulPeer([]);
    await using peer = await opening;
    const world = worldOf();
    const at = (port: number) => ({ ...targetOf(open, { port, timeoutMs: 60 }), id: "one target" });
    const closed = await closedPort();
    for (const port of [closed, closed, peer.port, peer.port]) {
      expect((await probe(at(port), world)).outcome.reason).toBe(port === closed ? "refused" : "answered");
    }
    expect(sources.size).toBe(1);
    world.sessions.close();
    await probe(at(peer.port), world);
    expect(sources.size).toBe(2);
    world.sessions.close();
  });
});
