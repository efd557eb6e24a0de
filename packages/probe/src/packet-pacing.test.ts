import { NS_PER_MS } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { PacketPacing } from "./packet-pacing.ts";

const MS = NS_PER_MS;

describe("the pacing of packets to time servers", () => {
  it("keeps packets to one server 2 s apart, and those to others not", () => {
    const pacing = new PacketPacing();
    expect([pacing.reserve("a", 0), pacing.reserve("a", 0), pacing.reserve("a", 500 * MS)]).toEqual([0, 2_000, 3_500]);
    expect(pacing.reserve("b", 0)).toBe(0);
  });

  it("lets no crowd wait: the turn after the third would come too late", () => {
    const pacing = new PacketPacing();
    const waits = Array.from({ length: 4 }, () => pacing.reserve("a", 0));
    expect(waits).toEqual([0, 2_000, 4_000, undefined]);
  });

  it("keeps packets 8 s apart on average, however often it is asked", () => {
    const pacing = new PacketPacing();
    let sent = 0;
    for (let ms = 0; ms < 800_000; ms += 100) if (pacing.reserve("a", ms * MS) !== undefined) sent += 1;
    expect(sent).toBeLessThanOrEqual(8 + 100);
    expect(sent).toBeGreaterThan(90);
  });

  it("remembers a bounded number of servers (S2)", () => {
    const pacing = new PacketPacing();
    pacing.reserve("first", 0);
    for (let at = 0; at < 200; at += 1) pacing.reserve(`server-${at}`, 0);
    expect(pacing.reserve("first", 0)).toBe(0);
  });
});
