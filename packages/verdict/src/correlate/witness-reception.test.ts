import { describe, expect, it } from "vitest";
import type { WitnessView } from "../node-context.ts";
import { receptionOf } from "./tunnel-fault.ts";

const ONSET_MS = 1_000_000;
const received = (afterMs: number | undefined, more: Partial<WitnessView> = {}): WitnessView => ({
  watchingSinceMs: 0,
  reportedAtMs: ONSET_MS + 10_000,
  receivedAtMs: afterMs === undefined ? undefined : ONSET_MS + afterMs,
  receivingSinceMs: undefined,
  address: "192.0.2.1",
  ...more,
});

describe("what a witness received since the onset", () => {
  it.each<[string, WitnessView | undefined, nowAfterMs: number, ReturnType<typeof receptionOf>]>([
    ["no witness", undefined, 10_000, undefined],
    ["a datagram that left after the onset", received(2_001), 10_000, "received"],
    ["a straggler that may have left before it", received(2_000), 10_000, undefined],
    ["a report that is 5 s old", received(2_001), 15_000, "received"],
    ["a report that is older", received(2_001), 15_001, undefined],
    ["nothing since the onset", received(0), 10_000, "not-received"],
    ["a datagram in flight at the onset", received(1_000), 10_000, "not-received"],
    ["a datagram too late for that", received(1_001), 10_000, undefined],
    ["a node whose last keepalive is 30 s older than the onset", received(-30_000), 10_000, "not-received"],
    ["a node that the witness may not receive at all", received(-30_001), 10_000, undefined],
    ["a node of which it never received anything", received(undefined), 10_000, undefined],
    ["a witness that watches since the onset", received(0, { watchingSinceMs: ONSET_MS }), 10_000, "not-received"],
    ["a witness that began later", received(0, { watchingSinceMs: ONSET_MS + 1 }), 10_000, undefined],
    ["three seconds of silence", received(0, { reportedAtMs: ONSET_MS + 3_000 }), 3_000, "not-received"],
    ["less silence", received(0, { reportedAtMs: ONSET_MS + 2_999 }), 3_000, undefined],
  ])("%s", (_, witness, nowAfterMs, reception) => {
    expect(receptionOf(witness, ONSET_MS, ONSET_MS + nowAfterMs)).toBe(reception);
  });
});
