import { decodeSender, encodeReflected, ntpFromWallMs, paddedLike, reflect } from "@lifeline/stamp";
import { describe, expect, it } from "vitest";
import { probe } from "./probe.ts";
import { targetOf, worldOf } from "./testing/loopback.ts";
import { closedPort, silentUdpPort, udpPeer } from "./testing/peers.ts";

const mtu = { probe: "mtu", authenticated: false, requiredBytes: 1_340 } as const;
const START = ntpFromWallMs(1_800_000_000_000);
const KEY = new TextEncoder().encode("0123456789abcdef");

/** A reflector behind a path that carries packets (IPv4 header included) up to `limitBytes` there and back. */
function narrowPath(limitBytes: number, key?: Uint8Array) {
  return udpPeer((bytes, from, socket) => {
    if (bytes.byteLength + 28 > limitBytes) return;
    const request = decodeSender(bytes, key);
    if (request.kind !== "ok") return;
    const reply = paddedLike(encodeReflected(reflect(request.packet, START, START), key), bytes);
    socket.send(reply, from.port, from.address);
  });
}

describe("the search for the path's MTU", () => {
  it.each([
    [1_500, "answered"],
    [1_340, "answered"],
    [1_339, "mtu-too-small"],
    [1_300, "mtu-too-small"],
    [576, "mtu-too-small"],
  ])("of a path that carries %i bytes is %s, and finds them", async (limitBytes, reason) => {
    await using peer = await narrowPath(limitBytes);
    const sample = await probe(targetOf(mtu, { port: peer.port, timeoutMs: 60 }), worldOf());
    expect(sample.outcome.reason).toBe(reason);
    expect(limitBytes - (sample.evidence.pathMtuBytes ?? 0)).toBeLessThanOrEqual(2);
    expect(limitBytes - (sample.evidence.pathMtuBytes ?? 0)).toBeGreaterThanOrEqual(0);
  });

  it("is authenticated with the key, and not sent without one", async () => {
    await using peer = await narrowPath(1_500, KEY);
    const authenticated = { ...mtu, authenticated: true } as const;
    const target = targetOf(authenticated, { port: peer.port, timeoutMs: 60 });
    expect((await probe(target, worldOf({ stampKey: KEY }))).outcome.reason).toBe("answered");
    expect((await probe(target, worldOf())).outcome.reason).toBe("stamp-unkeyed");
  });

  it("leaves the sizes unknown when nothing comes back, and reports a refusal as refused (M4)", async () => {
    await using silent = await silentUdpPort();
    const lost = await probe(targetOf(mtu, { port: silent.port, timeoutMs: 60 }), worldOf());
    expect(lost.outcome.reason).toBe("timeout");
    expect(lost.evidence.pathMtuBytes).toBeUndefined();
    const refused = await probe(targetOf(mtu, { port: await closedPort(), timeoutMs: 60 }), worldOf());
    expect(refused.outcome.reason).toBe("refused");
  });
});
