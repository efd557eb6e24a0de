import { describe, expect, it } from "vitest";
import type { Entry } from "../entry.ts";
import type { NodeContext } from "../node-context.ts";
import type { UdpEvidence } from "../row.ts";
import {
  contextOf,
  type EntryParts,
  entryOf,
  LINK,
  lookbackOf,
  MTU,
  NOW_MS,
  rememberedOf,
  STAMP,
  TCP,
  targetOf,
  UDP,
} from "../testing/judgement-fixture.ts";
import { withConfirmation, withUdpEvidence } from "./udp-evidence.ts";

const at = { requirementId: "port", host: "10.0.0.1", port: 50_180 };
const silent = { verdict: "unknown", cause: "no-evidence", service: "siderolink" } as const;
const port = (more: EntryParts = {}) =>
  entryOf(targetOf(UDP, at), { ...silent, ...more, own: { basis: "silent", reason: "silent", ...more.own } });
const second = entryOf(targetOf(UDP, { ...at, host: "10.0.0.2" }), { ...silent, own: { basis: "silent" } });
const stamp = (more: EntryParts = {}, place: Partial<typeof at> & { family?: 4 | 6 } = {}) =>
  entryOf(targetOf(STAMP, { ...at, ...place }), { service: "siderolink", evidence: "Replies.", ...more });
const inside = (more: EntryParts = {}) =>
  entryOf(targetOf(TCP, { requirementId: "in", host: "fdae::1" }), {
    service: "in-tunnel",
    evidence: "Inside.",
    ...more,
  });
const link = entryOf(targetOf(LINK, { requirementId: "link" }), { service: "tunnel-link" });
const contextWith = (node: NodeContext) => contextOf({ node });

/** An endpoint that refuses, and a probe in the tunnel that is lost. */
const refusing = entryOf(targetOf(UDP, { ...at, host: "10.0.0.2" }), {
  ...silent,
  verdict: "unmet",
  cause: "wrong-endpoint",
  own: { basis: "failed", reason: "refused" },
});
const deadInside = entryOf(
  targetOf({ probe: "tcp", acceptReset: true }, { requirementId: "in", host: "fdae::1", port: 1 }),
  {
    service: "in-tunnel",
    verdict: "unmet",
    cause: "timeout",
    own: { reason: "timeout" },
  },
);

describe("silence of the port is confirmed", () => {
  const none = port();
  const expecting = entryOf(targetOf({ probe: "udp", payloadBytes: 16, expectRefusal: true }, at), {
    ...silent,
    own: { basis: "silent" },
  });
  const elsewhere = entryOf(targetOf(UDP, at), { verdict: "unknown", cause: "no-evidence", own: { basis: "silent" } });
  const resolved = port({
    own: { lookback: lookbackOf({}, { last: rememberedOf("silent", NOW_MS, { address: "198.51.100.7" }) }) },
  });
  it.each<[string, Entry, Entry[], NodeContext, RegExp | undefined]>([
    ["by nothing", none, [], {}, undefined],
    [
      "by STAMP from the same endpoint",
      none,
      [stamp()],
      {},
      /^Confirmed by STAMP replies from this same endpoint\. Replies\.$/,
    ],
    ["by STAMP that answers at times", none, [stamp({ verdict: "degraded" })], {}, /STAMP/],
    ["not by STAMP that fails", none, [stamp({ verdict: "unmet" })], {}, undefined],
    ["not by STAMP on another port", none, [stamp({}, { port: 862 })], {}, undefined],
    ["not by STAMP from another host", none, [stamp({}, { host: "10.0.0.9" })], {}, undefined],
    ["not by STAMP over the other family", none, [stamp({}, { family: 6 })], {}, undefined],
    ["not by STAMP of another requirement", none, [stamp({}, { requirementId: "other" })], {}, undefined],
    [
      "not by another probe of the endpoint",
      none,
      [entryOf(targetOf(TCP, at), { service: "siderolink" })],
      {},
      undefined,
    ],
    [
      "by an answer through the tunnel, of the only endpoint",
      none,
      [inside()],
      {},
      /answers through the tunnel, which has no other endpoint to run over\. Inside\.$/,
    ],
    ["by the interface of the tunnel", none, [link], {}, /no other endpoint/],
    [
      "by the tunnel, where the other endpoint refuses",
      none,
      [refusing, inside()],
      {},
      /no other endpoint to run over/,
    ],
    [
      "not by a tunnel in which a probe is lost and none is answered since",
      none,
      [inside(), deadInside],
      {},
      undefined,
    ],
    ["not by the interface alone, while probes are lost", none, [link, deadInside], {}, undefined],
    ["not by a tunnel that fails", none, [inside({ verdict: "unmet" })], {}, undefined],
    ["not by the tunnel, of two endpoints", none, [second, inside()], {}, undefined],
    ["not by an answer elsewhere", none, [entryOf(targetOf(TCP))], {}, undefined],
    [
      "by the tunnel, of the observed endpoint",
      none,
      [second, inside()],
      { observedEndpoint: "10.0.0.1:50180" },
      /which runs over this endpoint\. Inside\.$/,
    ],
    [
      "by the tunnel, of the endpoint whose name has the observed address",
      resolved,
      [second, inside()],
      { observedEndpoint: "198.51.100.7:50180" },
      /runs over this/,
    ],
    [
      "not by the tunnel, of an endpoint that is not observed",
      none,
      [inside()],
      { observedEndpoint: "10.0.0.2:50180" },
      undefined,
    ],
    ["not by the tunnel on another port", none, [inside()], { observedEndpoint: "10.0.0.1:50181" }, undefined],
    ["not where a refusal is the answer", expecting, [stamp()], {}, undefined],
    ["not by the tunnel, of another service", elsewhere, [second, inside()], {}, undefined],
    ["not where it is not silent", port({ own: { basis: "unconfirmed" } }), [stamp()], {}, undefined],
    ["not where it is no UDP probe", stamp({ own: { basis: "silent" } }), [stamp()], {}, undefined],
  ])("%s", (_, entry, others, node, evidence) => {
    const found = withConfirmation(entry, [entry, ...others], contextWith(node));
    if (evidence === undefined) expect(found).toBe(entry);
    else
      expect(found).toMatchObject({
        verdict: others.at(-1)?.verdict,
        cause: "none",
        evidence: expect.stringMatching(evidence),
      });
  });

  it("takes over the verdict, its onset and its next step", () => {
    const degraded = { verdict: "degraded", cause: "loss", onsetMs: 7, nextStep: "Look." } as const;
    const entry = port();
    expect(withConfirmation(entry, [entry, stamp(degraded)], contextOf())).toMatchObject(degraded);
  });
});

describe("of several answers through the tunnel", () => {
  const answer = (host: string, more: EntryParts) =>
    entryOf(targetOf(TCP, { requirementId: "in", host }), { service: "in-tunnel", evidence: host, ...more });
  const LOSSY = { verdict: "degraded", cause: "loss", onsetMs: 1 } as const;
  it.each<[string, Entry[], string]>([
    ["one that is met confirms, not one that is degraded", [answer("a", LOSSY), answer("b", { onsetMs: 9 })], "b"],
    ["the one that has answered longest confirms", [answer("a", { onsetMs: 9 }), answer("b", { onsetMs: 8 })], "b"],
    [
      "the first by id confirms where nothing else decides",
      [answer("b", { onsetMs: 9 }), answer("a", { onsetMs: 9 })],
      "a",
    ],
    ["one since the refusal ends it", [answer("a", { onsetMs: 4_999 }), answer("b", { onsetMs: 5_000 })], "b"],
    ["STAMP confirms first", [answer("a", { onsetMs: 5_000 }), stamp({ onsetMs: 6_000 })], "Replies."],
    ["but not if it is older than the refusal", [answer("a", { onsetMs: 5_000 }), stamp({ onsetMs: 4_000 })], "a"],
  ])("%s", (title, others, by) => {
    const refused = { basis: "failed", seen: rememberedOf("refused", 5_000) } as const;
    const entry = port(/refusal|STAMP|older/.test(title) ? { own: refused } : {});
    for (const order of [others, others.toReversed()]) {
      expect(withConfirmation(entry, [entry, ...order], contextOf()).evidence.endsWith(by)).toBe(true);
    }
  });
});

describe("a refusal of the port ends", () => {
  const refusedAt = (endedAtMs: number) =>
    port({ verdict: "unmet", cause: "refused", own: { basis: "failed", seen: rememberedOf("refused", endedAtMs) } });
  const silentAt = port({ own: { seen: rememberedOf("silent", NOW_MS) } });
  const since = (onsetMs: number) => [stamp({ onsetMs })];
  it.each<[string, Entry, Entry[], string]>([
    ["by answers that began with its end", refusedAt(5_000), since(5_000), "met"],
    ["not by answers from before", refusedAt(5_000), since(4_999), "unmet"],
    ["never by itself", refusedAt(5_000), [], "unmet"],
    ["and silence by any answers", silentAt, since(0), "met"],
  ])("%s", (_, entry, others, verdict) => {
    expect(withConfirmation(entry, [entry, ...others], contextOf()).verdict).toBe(verdict);
  });
});

describe("the evidence class", () => {
  const failed = (cause: Entry["cause"]) => port({ verdict: "unmet", cause, own: { basis: "failed" } });
  const blocked = port({ verdict: "unmet", cause: "udp-blocked" });
  const noAddress = port({ verdict: "not-applicable", own: { basis: "name-has-no-address" } });
  it.each<[string, Entry, Entry[], UdpEvidence | undefined]>([
    ["of another service is none", entryOf(targetOf(UDP)), [], undefined],
    ["of a family that the name lacks", noAddress, [stamp()], "not-applicable"],
    ["of a standby endpoint", port({ verdict: "not-applicable" }), [second, inside()], "no-evidence"],
    ["of silence", port(), [], "no-evidence"],
    ["of a confirmed port", port(), [stamp()], "confirmed"],
    ["of a port that the tunnel confirms", port(), [inside()], "confirmed"],
    ["of a suspected port", blocked, [], "suspected-blocked"],
    [
      "of a blocked forward path",
      port({ verdict: "unmet", cause: "forward-path-blocked" }),
      [stamp()],
      "suspected-blocked",
    ],
    ["of a blocked return path", port({ cause: "return-path-blocked" }), [stamp()], "suspected-blocked"],
    ["of STAMP at a suspected port", stamp(), [blocked], "suspected-blocked"],
    [
      "of STAMP at a suspected port, beside other probes",
      stamp(),
      [entryOf(targetOf(MTU, at)), blocked],
      "suspected-blocked",
    ],
    ["of STAMP at another port", stamp({}, { port: 1 }), [blocked], "confirmed"],
    [
      "of STAMP that fails beside a silent port",
      stamp({ verdict: "unmet", cause: "timeout" }),
      [port()],
      "no-evidence",
    ],
    ["of a wrong endpoint", failed("wrong-endpoint"), [], "refused"],
    ["of a refusal", failed("refused"), [], "refused"],
    ["of a filter", failed("filtered"), [], "refused"],
    ["of no route", failed("unreachable"), [], "refused"],
    ["of a DNS fault", failed("dns-nxdomain"), [], "no-evidence"],
    [
      "of a refusal that confirmation has ended",
      port({ verdict: "met", cause: "refused", own: { basis: "failed" } }),
      [stamp()],
      "confirmed",
    ],
    [
      "of refusals that come and go",
      port({ verdict: "unmet", cause: "refused", own: { basis: "intermittent" } }),
      [],
      "no-evidence",
    ],
  ])("%s", (_, entry, others, wanted) => {
    expect(withUdpEvidence(entry, [...others, entry], contextOf()).udpEvidence).toBe(wanted);
  });
});
