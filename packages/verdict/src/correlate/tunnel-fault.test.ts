import type { Service } from "@lifeline/catalogue";
import type { Cause, Reason } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import type { Entry } from "../entry.ts";
import type { NodeContext } from "../node-context.ts";
import type { PreviousVerdict } from "../row.ts";
import {
  closedPort,
  contextOf,
  type EntryParts,
  entryOf,
  LINK,
  lookbackOf,
  NOW_MS,
  rememberedOf,
  STAMP,
  TCP,
  targetOf,
  UDP,
} from "../testing/judgement-fixture.ts";
import { deadSinceMs, deadTunnelOf } from "./dead-tunnel.ts";
import { withTunnelFault } from "./tunnel-fault.ts";

const ONSET_MS = NOW_MS - 10_000;
/** The lookback of a target that answers now. */
const NOW_ANSWERED = {
  lookback: lookbackOf({}, { last: rememberedOf("answered", NOW_MS, {}, { outcomeClass: "good" }) }),
};
const api = (more: EntryParts = {}, family: 4 | 6 = 4) =>
  entryOf(targetOf(TCP, { requirementId: "api", family }), { service: "machine-api", own: NOW_ANSWERED, ...more });
const portAt = (host: string, more: EntryParts = {}) =>
  entryOf(targetOf(UDP, { requirementId: "port", host, port: 50_180 }), {
    service: "siderolink",
    verdict: "unknown",
    cause: "no-evidence",
    ...more,
    own: { basis: "silent", reason: "silent", ...more.own },
  });
const port = (more: EntryParts = {}) => portAt("10.0.0.1", more);
const stampAt = (host: string, more: EntryParts = {}) =>
  entryOf(targetOf(STAMP, { requirementId: "port", host, port: 50_180 }), {
    service: "siderolink",
    own: NOW_ANSWERED,
    ...more,
  });
const inTunnel = (reason: Reason, more: EntryParts = {}, options = TCP, service: Service = "in-tunnel") =>
  entryOf(targetOf(options, { requirementId: service, host: "fdae::1", port: 8_090 }), {
    service,
    verdict: "unmet",
    cause: "timeout",
    onsetMs: ONSET_MS,
    ...more,
    own: { reason, ...more.own },
  });
const lost = inTunnel("timeout");
/** A target in the tunnel whose latest sample ended that long after the onset. */
const answered = (afterMs: number, outcomeClass: "good" | "bad" = "good", service: Service = "in-tunnel") =>
  entryOf(targetOf(closedPort(16), { requirementId: "small", host: "fdae::1", port: 9 }), {
    service,
    own: { lookback: lookbackOf({}, { last: rememberedOf("answered", ONSET_MS + afterMs, {}, { outcomeClass }) }) },
  });

describe("the tunnel is dead since", () => {
  const at = (afterMs: number) => inTunnel("timeout", { onsetMs: ONSET_MS + afterMs });
  it.each<[string, Entry[], number | undefined]>([
    ["nothing fails", [answered(0)], undefined],
    ["TCP in the tunnel is lost", [lost], 0],
    ["the first of several signs", [at(3_000), at(0), at(1_000)], 0],
    ["TCP in the tunnel is refused, which is an answer", [inTunnel("refused")], undefined],
    ["TCP in the tunnel only degrades", [inTunnel("timeout", { verdict: "degraded" })], undefined],
    ["TCP elsewhere is lost", [inTunnel("timeout", {}, TCP, "machine-api")], undefined],
    ["a small datagram is lost", [inTunnel("timeout", {}, closedPort(1_151))], 0],
    ["a large datagram is lost, which may be the path MTU", [inTunnel("timeout", {}, closedPort(1_152))], undefined],
    ["a datagram to an open port is lost", [inTunnel("timeout", {}, UDP)], undefined],
    ["the interface is frozen", [inTunnel("link-frozen", {}, LINK, "tunnel-link")], 0],
    ["the interface is absent, which is no silence", [inTunnel("link-absent", {}, LINK, "tunnel-link")], undefined],
    ["the interface is lost", [inTunnel("timeout", {}, LINK, "tunnel-link")], undefined],
    ["an answer was in flight", [lost, answered(1_000)], 0],
    ["an answer came later", [lost, answered(1_001)], undefined],
    ["an answer came later, but a run of losses goes on", [lost, answered(1_001, "bad")], 0],
    ["an answer came elsewhere", [lost, answered(1_001, "good", "machine-api")], 0],
    ["an answer came between two signs", [at(0), at(5_000), answered(5_500)], 0],
    ["an answer came after all signs", [at(0), at(5_000), answered(6_001)], undefined],
  ])("%s", (_, entries, afterMs) => {
    expect(deadSinceMs(entries)).toBe(afterMs === undefined ? undefined : ONSET_MS + afterMs);
  });
});

const witnessed = (receivedAfterMs: number): NodeContext => ({
  witness: {
    watchingSinceMs: 0,
    reportedAtMs: NOW_MS,
    receivedAtMs: ONSET_MS + receivedAfterMs,
    receivingSinceMs: ONSET_MS + receivedAfterMs,
    address: "192.0.2.1",
  },
});
const RECEIVED = witnessed(9_000);
const NOT_RECEIVED = witnessed(-1_000);
const STAMP_ANSWERS = stampAt("10.0.0.1");

/** A probe that was lost ten times, while the tunnel received packets in that many of them. */
const receiving = (own: EntryParts["own"] = {}, oneWay = 2) =>
  inTunnel("timeout", {
    own: { runLength: 10, lookback: lookbackOf({ timeout: 10 - oneWay, "tunnel-one-way": oneWay }), ...own },
  });

function after(
  entry: Entry,
  others: readonly Entry[],
  node: NodeContext = {},
  before?: Partial<PreviousVerdict>,
): Entry {
  const was = { verdict: "unmet" as const, sinceMs: 0, ...before };
  const previous = before === undefined ? undefined : new Map([[entry.target.id, was]]);
  return withTunnelFault(entry, [entry, ...others], contextOf({ node, previous }));
}

describe("a dead tunnel, while the Machine API answers", () => {
  it.each<[string, Entry[], NodeContext, Partial<PreviousVerdict> | undefined, Cause, RegExp, RegExp]>([
    [
      "without a witness",
      [],
      {},
      undefined,
      "udp-blocked",
      /no witness .* shows the direction\. Seen\.$/,
      /^Network team: allow UDP from this node to 10\.0\.0\.1:50180 and its answers back/,
    ],
    [
      "whose datagrams arrive",
      [],
      RECEIVED,
      undefined,
      "return-path-blocked",
      /answers do not come back: the witness beside Omni last received from 192\.0\.2\.1 at 2026-08-01T11:59:59Z\./,
      /allow UDP answers from 10\.0\.0\.1:50180 back/,
    ],
    [
      "whose datagrams do not arrive",
      [],
      NOT_RECEIVED,
      undefined,
      "forward-path-blocked",
      /do not arrive at Omni: the witness beside Omni last received from 192\.0\.2\.1 at 2026-08-01T11:59:49Z\./,
      /allow UDP from this node to 10\.0\.0\.1:50180; the datagrams vanish/,
    ],
    [
      "with STAMP from the port",
      [STAMP_ANSWERS],
      {},
      undefined,
      "tunnel-stale",
      /from another source port and comes back, .* a NAT or firewall has lost the mapping of this one flow, or Omni .*\. Seen\.$/,
      /^Network team: clear the state of the flow from this node to UDP 10\.0\.0\.1:50180 in NATs/,
    ],
    [
      "with STAMP from the port and datagrams that arrive",
      [STAMP_ANSWERS],
      RECEIVED,
      undefined,
      "tunnel-stale",
      /session is dead\. The witness beside Omni receives this node's datagrams, so it is no NAT on the way there\. Seen\.$/,
      /^Omni owner/,
    ],
    [
      "with STAMP, whose datagrams do not arrive",
      [STAMP_ANSWERS],
      NOT_RECEIVED,
      undefined,
      "forward-path-blocked",
      /a filter that inspects the payload/,
      /^Network team: clear the state of the flow .* exempt it from payload inspection/,
    ],
    [
      "behind a NAT, with STAMP, whose datagrams do not arrive",
      [STAMP_ANSWERS],
      NOT_RECEIVED,
      undefined,
      "forward-path-blocked",
      /receives no WireGuard: a filter/,
      /^Network team: clear the state/,
    ],
    [
      "through which packets of Omni's own come",
      [receiving({ answeredAtMs: ONSET_MS })],
      {},
      undefined,
      "forward-path-blocked",
      /do not arrive at Omni: packets that Omni sends by itself come .* port-unreachable\. Seen\.$/,
      /the datagrams vanish/,
    ],
    [
      "through which packets of Omni's own come, and which was never seen to work",
      [receiving()],
      {},
      undefined,
      "forward-path-blocked",
      /was never seen to work here, so Omni's host may also drop what comes out of it\. Seen\.$/,
      /the datagrams vanish/,
    ],
    [
      "through which packets of Omni's own come, with STAMP from the port",
      [STAMP_ANSWERS, receiving()],
      {},
      undefined,
      "forward-path-blocked",
      /comes back, but packets that Omni sends by itself come through .*: a filter/,
      /^Network team: clear the state/,
    ],
    [
      "blocked on the return path before the witness stopped reporting",
      [],
      {},
      { cause: "return-path-blocked", onsetMs: ONSET_MS },
      "return-path-blocked",
      /: that showed earlier in this outage\./,
      /allow UDP answers/,
    ],
    [
      "blocked on the forward path before the witness stopped reporting",
      [],
      {},
      { cause: "forward-path-blocked", onsetMs: ONSET_MS },
      "forward-path-blocked",
      /: that showed earlier in this outage\./,
      /the datagrams vanish/,
    ],
    [
      "blocked on the return path in an earlier outage",
      [],
      {},
      { cause: "return-path-blocked", onsetMs: ONSET_MS - 1 },
      "udp-blocked",
      /suspected/,
      /UDP from this node/,
    ],
    [
      "blocked on the forward path in an earlier outage",
      [],
      {},
      { cause: "forward-path-blocked", onsetMs: ONSET_MS - 1 },
      "udp-blocked",
      /suspected/,
      /UDP from this node/,
    ],
    [
      "suspected before",
      [],
      {},
      { cause: "udp-blocked", onsetMs: ONSET_MS },
      "udp-blocked",
      /suspected/,
      /UDP from this node/,
    ],
    [
      "blocked on the forward path before, with a witness that now receives, as it does first when it recovers",
      [],
      RECEIVED,
      { cause: "forward-path-blocked", onsetMs: ONSET_MS },
      "forward-path-blocked",
      /: that showed earlier in this outage\./,
      /the datagrams vanish/,
    ],
    [
      "blocked for one flow before, with STAMP all the time and a witness that now receives, as it does first",
      [{ ...STAMP_ANSWERS, onsetMs: ONSET_MS - 1 }],
      RECEIVED,
      { cause: "forward-path-blocked", onsetMs: ONSET_MS },
      "forward-path-blocked",
      /STAMP reaches the same port .* but that showed earlier in this outage: a filter/,
      /exempt it from payload inspection/,
    ],
    [
      "blocked on the forward path before, where STAMP is the first to answer again",
      [{ ...STAMP_ANSWERS, onsetMs: ONSET_MS + 5_000 }],
      {},
      { cause: "forward-path-blocked", onsetMs: ONSET_MS },
      "forward-path-blocked",
      /: that showed earlier in this outage\./,
      /the datagrams vanish/,
    ],
  ])("%s", (_, others, node, before, cause, evidence, nextStep) => {
    const found = after(port(), [api(), lost, ...others], node, before);
    expect(found).toMatchObject({ verdict: "unmet", cause, onsetMs: ONSET_MS });
    expect(found.evidence).toMatch(
      /^The Machine API answers, and no probe through the tunnel has been answered since 2026-08-01T11:59:50Z\. /,
    );
    expect(found.evidence).toMatch(evidence);
    expect(found.nextStep).toMatch(nextStep);
  });

  it.each<[string, Entry[], receivingForMs: number, Cause]>([
    ["for three tries of the handshake", [], 15_000, "forward-path-blocked"],
    ["for longer", [], 15_001, "return-path-blocked"],
    ["for three tries of the handshake, with STAMP", [STAMP_ANSWERS], 15_000, "forward-path-blocked"],
    ["for longer, with STAMP", [STAMP_ANSWERS], 15_001, "tunnel-stale"],
    ["since before this outage", [], NOW_MS, "forward-path-blocked"],
  ])("was blocked on the forward path, and the witness receives again %s", (_, others, receivingForMs, cause) => {
    const onsetMs = receivingForMs === NOW_MS ? NOW_MS - 15_000 : NOW_MS - 20_000;
    const silent = inTunnel("timeout", { onsetMs, own: { runLength: 10 } });
    const { witness } = witnessed(0);
    if (witness === undefined) throw new Error("want a witness");
    const receives = { ...witness, receivedAtMs: NOW_MS, receivingSinceMs: NOW_MS - receivingForMs };
    const before = { cause: "forward-path-blocked" as const, onsetMs };
    expect(after(port(), [api(), silent, ...others], { witness: receives }, before).cause).toBe(cause);
  });

  it.each<[string, endedAtMs: number, Entry["verdict"]]>([
    ["refused until 15 s ago", NOW_MS - 14_999, "unknown"],
    ["refused until longer ago", NOW_MS - 15_000, "unmet"],
    ["refused before this outage", NOW_MS - 21_000, "unmet"],
  ])("has no fault of its own while the port was %s", (_, endedAtMs, verdict) => {
    const silent = inTunnel("timeout", { onsetMs: NOW_MS - 20_000, own: { runLength: 10 } });
    const lastBad = rememberedOf("refused", endedAtMs);
    const quiet = { ...port(), own: { ...port().own, lookback: lookbackOf({ silent: 5 }, { lastBad }) } };
    expect(after(quiet, [api(), silent]).verdict).toBe(verdict);
  });

  it("says that the witness has received nothing at all", () => {
    const { witness } = NOT_RECEIVED;
    if (witness === undefined) throw new Error("want a witness");
    const silent = { witness: { ...witness, receivedAtMs: undefined, receivingSinceMs: undefined } };
    expect(after(port(), [api(), lost], silent, { cause: "forward-path-blocked", onsetMs: ONSET_MS }).cause).toBe(
      "forward-path-blocked",
    );
  });
});

/** Lost since long after {@link ONSET_MS}; it answered last that long after it. */
const lostAfter = (afterMs: number) =>
  inTunnel("timeout", { onsetMs: ONSET_MS + 5_000, own: { answeredAtMs: ONSET_MS + afterMs } });

describe("the tunnel receives packets of Omni's own", () => {
  const counted = (timeout: number, oneWay: number) => lookbackOf({ timeout, "tunnel-one-way": oneWay });
  it.each<[string, EntryParts["own"], boolean]>([
    ["in two lost attempts", { lookback: counted(8, 2) }, true],
    ["not in one, which may be the first or the last of the outage", { lookback: counted(9, 1) }, false],
    [
      "not in losses from before a run of which most attempts are still watched",
      { lookback: counted(2, 5), runLength: 5, seen: rememberedOf("timeout", NOW_MS, {}, { length: 1, watched: 4 }) },
      false,
    ],
    ["not in losses from before the run", { lookback: counted(9, 3), runLength: 9 }, false],
    ["not in none", { lookback: counted(10, 0) }, false],
  ])("%s", (_, own, isShown) => {
    const found = deadTunnelOf([inTunnel("timeout", { own: { runLength: 10, ...own } })]);
    expect(found?.isReceiving).toBe(isShown);
  });
});

describe("the port is left alone", () => {
  const fails = { lookback: lookbackOf({}, { last: rememberedOf("refused", NOW_MS) }) };
  const failing = api({ verdict: "unmet", cause: "refused", onsetMs: ONSET_MS, own: fails });
  const since = (afterMs: number) => api({ ...failing, onsetMs: ONSET_MS + afterMs, own: fails });
  const unknown = api({ verdict: "unknown", own: { lookback: lookbackOf({}) } });
  const old = { lookback: lookbackOf({}, { last: rememberedOf("answered", ONSET_MS, {}, { outcomeClass: "good" }) }) };
  const refused = { verdict: "unmet", cause: "refused", own: { basis: "failed", reason: "refused" } } as const;
  it.each<[string, Entry, Entry[], Cause]>([
    ["while the tunnel works", port(), [api(), answered(0)], "no-evidence"],
    ["while the Machine API fails", port(), [failing, lost], "no-evidence"],
    [
      "while the Machine API failed up to two cadences and a timeout later",
      port(),
      [since(2_950), lost],
      "no-evidence",
    ],
    ["unless the Machine API failed later, and the tunnel died before", port(), [since(2_951), lost], "udp-blocked"],
    ["unless the Machine API answers over the other family", port(), [api({}, 6), failing, lost], "udp-blocked"],
    ["while nothing is known of the Machine API", port(), [unknown, lost], "no-evidence"],
    ["while the Machine API answered only before", port(), [api({ own: old }), lost], "no-evidence"],
    ["while the Machine API has just begun to fail", port(), [api({ own: fails }), lost], "no-evidence"],
    ["while the tunnel worked until the Machine API failed", port(), [failing, lostAfter(1_950)], "no-evidence"],
    ["unless the tunnel worked while the Machine API failed", port(), [failing, lostAfter(1_951)], "udp-blocked"],
    ["while only other endpoints answer", port(), [entryOf(targetOf(TCP)), lost], "no-evidence"],
    ["while only a comparison answers", port(), [api({ comparison: true }), lost], "no-evidence"],
    [
      "while only a comparison fails",
      port(),
      [api(), api({ verdict: "unmet", comparison: true }), lost],
      "udp-blocked",
    ],
    ["if it does not apply", port({ verdict: "not-applicable", cause: "none" }), [api(), lost], "none"],
    ["if it is another port", entryOf(targetOf(UDP)), [api(), lost], "none"],
    ["if it is STAMP", stampAt("10.0.0.1"), [port(), api(), lost], "none"],
    [
      "if it is refused, the endpoint is wrong, whatever the tunnel does",
      port(refused),
      [failing, answered(0)],
      "wrong-endpoint",
    ],
    [
      "if it is filtered, by its own cause",
      port({ ...refused, cause: "filtered", own: { basis: "failed", reason: "admin-prohibited" } }),
      [api(), lost],
      "filtered",
    ],
    [
      "if it is refused at times, while the tunnel is dead",
      port({ ...refused, own: { basis: "intermittent", reason: "refused" } }),
      [api(), lost],
      "udp-blocked",
    ],
    [
      "if it was refused and answers now",
      port({ verdict: "met", cause: "none", own: { basis: "failed", reason: "refused" } }),
      [api(), answered(0)],
      "none",
    ],
  ])("%s", (_, entry, others, cause) => {
    expect(after(entry, others).cause).toBe(cause);
  });

  it("says who corrects a wrong endpoint", () => {
    expect(after(port(refused), [])).toMatchObject({
      evidence: "Something refuses at the advertised SideroLink endpoint 10.0.0.1:50180. Seen.",
      nextStep: expect.stringMatching(/^Omni owner: correct .*\(10\.0\.0\.1:50180\).* network team: /),
    });
  });
});

describe("of several endpoints", () => {
  const second = portAt("10.0.0.2");
  const stampBoth = [STAMP_ANSWERS, stampAt("10.0.0.2")];
  const both = (others: readonly Entry[], node: NodeContext = {}) =>
    [port(), second].map(
      (entry) =>
        after(
          entry,
          [...[port(), second].filter((other) => other.target.id !== entry.target.id), api(), lost, ...others],
          node,
        ).cause,
    );
  it.each<[string, Entry[], NodeContext, Cause[]]>([
    ["all are suspected", [], {}, ["udp-blocked", "udp-blocked"]],
    ["the observed one is used", [], { observedEndpoint: "10.0.0.2:50180" }, ["no-evidence", "udp-blocked"]],
    [
      "an observed one that is not advertised does not count",
      [],
      { observedEndpoint: "10.0.0.3:50180" },
      ["udp-blocked", "udp-blocked"],
    ],
    ["the one that STAMP answers from is open", [STAMP_ANSWERS], {}, ["no-evidence", "udp-blocked"]],
    ["all are stale where STAMP answers from all", stampBoth, {}, ["tunnel-stale", "tunnel-stale"]],
  ])("%s", (_, others, node, causes) => {
    expect(both(others, node)).toEqual(causes);
  });
});

describe("the outage of a port, once probes in the tunnel begin to be answered", () => {
  /** The target that begins to answer: dead no longer, and not recovered. */
  const beginning = answered(9_000);
  const isRecovered = { ...beginning, verdict: "met" as const };
  const isBeginning = { ...beginning, verdict: "unknown" as const };
  const known = (cause: Cause) => ({ cause, onsetMs: ONSET_MS });

  it.each<Cause>(["udp-blocked", "forward-path-blocked", "return-path-blocked", "tunnel-stale"])(
    "keeps its cause %s and its onset until one of them has recovered",
    (cause) => {
      const entry = after(port(), [lost, isBeginning, STAMP_ANSWERS], RECEIVED, known(cause));
      expect(entry).toMatchObject({ verdict: "unmet", cause, onsetMs: ONSET_MS });
      expect(entry.evidence).toMatch(/^The outage since .* ends: probes through the tunnel begin to be answered\./);
      expect(entry.nextStep).not.toBe("");
      expect(after(port(), [lost, isRecovered], RECEIVED, known(cause))).toMatchObject({ verdict: "unknown" });
    },
  );

  it.each<[string, Entry[], Partial<PreviousVerdict> | undefined]>([
    ["that was never found", [lost, isBeginning], undefined],
    ["of another kind", [lost, isBeginning], known("refused")],
    ["that is over, so nothing in the tunnel is lost", [isBeginning], known("udp-blocked")],
    [
      "of a node whose tunnel has gone",
      [lost, isBeginning, inTunnel("link-absent", { cause: "not-joined" }, LINK, "tunnel-link")],
      known("udp-blocked"),
    ],
  ])("is none %s", (_, others, before) => {
    expect(after(port(), others, RECEIVED, before)).toMatchObject({ verdict: "unknown", cause: "no-evidence" });
  });
});
