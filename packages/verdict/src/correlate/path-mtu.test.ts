import type { Reason } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import type { Entry } from "../entry.ts";
import {
  closedPort,
  contextOf,
  type EntryParts,
  entryOf,
  LINK,
  lookbackOf,
  MTU,
  NOW_MS,
  rememberedOf,
  TCP,
  targetOf,
  UDP,
} from "../testing/judgement-fixture.ts";
import { DEFAULT_THRESHOLDS } from "../thresholds.ts";
import { withPathMtu } from "./path-mtu.ts";
import { payloadBytesOf } from "./tunnel-probe.ts";

const ONSET_MS = NOW_MS - 10_000;
const inTunnel = { requirementId: "in", host: "fdae::1", port: 9 };
const large = (own: EntryParts["own"] = {}, more: EntryParts = {}, bytes = 1_232) =>
  entryOf(targetOf(closedPort(bytes), inTunnel), {
    service: "in-tunnel",
    verdict: "unmet",
    cause: "timeout",
    onsetMs: ONSET_MS,
    ...more,
    own: { reason: "timeout", runLength: 10, seen: rememberedOf("timeout", NOW_MS), ...own },
  });
/** Latest sample that long after the onset; its run began that long after it. A round trip takes at most 950 ms. */
const counted = (
  counts: Partial<Record<Reason, number>>,
  endedAfterMs = 951,
  outcomeClass: "good" | "bad" = "good",
  runAfterMs = -60_000,
) => ({
  own: {
    lookback: lookbackOf(counts, {
      last: rememberedOf("answered", ONSET_MS + endedAfterMs, {}, { outcomeClass, startedAtMs: ONSET_MS + runAfterMs }),
    }),
  },
});
const small = (more: EntryParts = counted({ answered: 60 }), bytes = 16, host = inTunnel.host) =>
  entryOf(targetOf(closedPort(bytes), { ...inTunnel, host }), { service: "in-tunnel", ...more });
const tcp = (more: EntryParts = counted({ answered: 60 }), host = inTunnel.host) =>
  entryOf(targetOf(TCP, { ...inTunnel, host, port: 8_090 }), { service: "in-tunnel", ...more });
const link = (verdict: Entry["verdict"]) =>
  entryOf(targetOf(LINK, { requirementId: "link" }), { service: "tunnel-link", verdict });
const search = (endedAfterMs: number, options = MTU) =>
  entryOf(targetOf(options, { timeoutMs: 1_000 }), {
    own: {
      lookback: lookbackOf({}, { last: rememberedOf("answered", ONSET_MS + endedAfterMs, { pathMtuBytes: 1_300 }) }),
    },
  });
const after = (entry: Entry, others: readonly Entry[], thresholds = DEFAULT_THRESHOLDS) =>
  withPathMtu(entry, [...others, entry], contextOf({ thresholds }));

/** Small ones that answer within 10 ms; the latest that long after the onset. */
const fast = (endedAfterMs: number) => {
  const { own } = counted({ answered: 60 }, endedAfterMs);
  return { own: { lookback: { ...own.lookback, rtt: { ...own.lookback.rtt, maxNs: 10_000_000 } } } };
};
/** Small ones that pass again that long after the onset. The latest large one was tried 7,050 ms after it or later. */
const recovered = (afterMs: number) => counted({ answered: 60 }, 10_000, "good", afterMs);

/** The latest large one that ended, with two after it that are silent so far. */
const watched = rememberedOf("timeout", NOW_MS, {}, { watched: 2 });

describe("large datagrams that are lost show the path MTU", () => {
  const lossy = counted({ answered: 20, timeout: 40 });
  it.each<[string, Entry, Entry[], boolean]>([
    ["beside small ones that pass", large(), [small()], true],
    ["not beside TCP that passes, which is another protocol", large(), [tcp()], false],
    ["not without anything smaller", large(), [], false],
    ["not beside equally large ones", large(), [small(undefined, 1_232)], false],
    ["beside those one byte smaller", large(), [small(undefined, 1_231)], true],
    ["not beside small ones that left before the onset", large(), [small(counted({ answered: 60 }, 950))], false],
    ["beside small ones that answered fast", large(), [small(fast(11))], true],
    ["not beside fast ones that left before the onset", large(), [small(fast(10))], false],
    [
      "not beside small ones that left after the latest loss, when it may be over",
      large(),
      [small(fast(7_060))],
      false,
    ],
    ["beside small ones that left before it", large(), [small(fast(7_059))], true],
    [
      "beside small ones that left before the latest one that is still watched",
      large({ seen: watched }),
      [small(fast(9_000))],
      true,
    ],
    ["beside small ones since they recovered", large({ runLength: 30 }), [small(recovered(4_050))], true],
    ["not yet beside small ones that have just recovered", large({ runLength: 30 }), [small(recovered(5_051))], false],
    ["not when no large one was tried since", large({ runLength: 30 }), [small(recovered(7_051))], false],
    [
      "not by ticks that were missed",
      large({ runLength: 30, lookback: lookbackOf({}, { missedTicks: 2 }) }),
      [small(recovered(4_050))],
      false,
    ],
    [
      "not beside small ones whose latest sample is a loss",
      large(),
      [small(counted({ answered: 60 }, 951, "bad"))],
      false,
    ],
    [
      "not beside TCP alone where small ones have no sample of the time",
      large(),
      [small(counted({}, 0)), tcp()],
      false,
    ],
    ["not beside another host", large(), [small(undefined, 16, "fdae::2")], false],
    ["not beside TCP to another host", large(), [tcp(undefined, "fdae::2")], false],
    ["not beside another service", large(), [entryOf(targetOf(TCP, inTunnel), counted({ answered: 60 }))], false],
    [
      "not beside an open port",
      large(),
      [entryOf(targetOf(UDP, inTunnel), { service: "in-tunnel", ...counted({ answered: 60 }) })],
      false,
    ],
    ["not when the interface fails", large(), [small(), link("unmet")], false],
    ["not when the interface is degraded", large(), [small(), link("degraded")], false],
    ["when the interface works", large(), [small(), link("met")], true],
    ["when something else fails", large(), [small(), entryOf(targetOf(TCP), { verdict: "unmet" })], true],
    ["not while degraded", large({}, { verdict: "degraded" }), [small()], false],
    ["not when refused", large({ reason: "refused" }), [small()], false],
    [
      "not of TCP beside TCP",
      tcp({ verdict: "unmet", own: { reason: "timeout", runLength: 10 } }),
      [entryOf(targetOf(TCP, { ...inTunnel, port: 1 }), { service: "in-tunnel", ...counted({ answered: 60 }) })],
      false,
    ],
    ["not of TCP", tcp({ verdict: "unmet", own: { reason: "timeout", runLength: 10 } }), [small()], false],
    ["not of another service", large({}, { service: "machine-api" }), [small()], false],
    ["after three losses", large({ runLength: 3 }), [small()], true],
    [
      "not after two losses, even if chance does not explain them",
      large({ runLength: 2 }),
      [small(counted({ answered: 200 }))],
      false,
    ],
    ["not where small ones are lost as well", large(), [small(lossy)], false],
    ["nor where all small ones together are", large(), [small(lossy), tcp(counted({ timeout: 60 }))], false],
    ["where all small ones together pass", large(), [small(lossy), tcp(counted({ answered: 200 }))], true],
    ["not where nothing is known of small ones", large(), [small(counted({}))], false],
    ["not by small ones that need not answer", large(), [small(counted({ answered: 1, silent: 60 }))], false],
  ])("%s", (_, entry, others, isNamed) => {
    const found = after(entry, others);
    expect(found.cause).toBe(isNamed ? "path-mtu" : entry.cause);
    if (!isNamed) expect(found).toBe(entry);
  });

  it("up to a chance of 0.1 %, given the loss of small ones", () => {
    // Nine losses in a row beside 20 of 60 have a chance of 0.091 %; eight beside 18 of 60, 0.107 %.
    const beside = (runLength: number, lost: number) =>
      after(large({ runLength }), [small(counted({ answered: 60 - lost, timeout: lost }))]).cause;
    expect([beside(9, 20), beside(8, 18)]).toEqual(["path-mtu", "timeout"]);
  });

  it("with its figures, and the next step", () => {
    expect(
      after(large(), [small(counted({ answered: 58, timeout: 2 })), tcp(counted({ answered: 30 }))]),
    ).toMatchObject({
      verdict: "unmet",
      evidence:
        "Seen. 10 datagrams of 1232 bytes were lost in a row while smaller ones passed, and 88 of 90 small packets did (their loss is at most 7.7 %).",
      nextStep: expect.stringMatching(/^Network team: let IP packets of 1,340 bytes/),
    });
  });
});

describe("the largest packet that passes", () => {
  it.each<[string, Entry[], boolean]>([
    ["is said where a search began after the onset", [search(3_001)], true],
    ["is not said where it may have begun before", [search(3_000)], false],
    ["is not read from another probe", [search(3_001, TCP)], false],
    ["is that of the first search that has one", [entryOf(targetOf(MTU)), search(3_001)], true],
  ])("%s", (_, searches, isSaid) => {
    expect(
      after(large(), [small(), ...searches]).evidence.endsWith(" The largest packet that passes has 1300 bytes."),
    ).toBe(isSaid);
  });
});

it("is the payload of a datagram to a closed port, and of no other target", () => {
  expect([closedPort(16), UDP, TCP].map((options) => payloadBytesOf(targetOf(options)))).toEqual([
    16,
    undefined,
    undefined,
  ]);
});
