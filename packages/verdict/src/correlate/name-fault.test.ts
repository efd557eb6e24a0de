import type { ProbeOptions } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import type { Entry } from "../entry.ts";
import {
  DNS,
  type EntryParts,
  entryOf,
  NOW_MS,
  requirementOf,
  TCP,
  TLS,
  targetOf,
} from "../testing/judgement-fixture.ts";
import { isNameFault, withNameFault } from "./name-fault.ts";

const AAAA: ProbeOptions = { probe: "dns", query: "omni.test", transport: "udp", type: "AAAA" };
const ONSET_MS = NOW_MS - 20_000;

const failing = (parts: EntryParts = {}, target = targetOf(TCP)): Entry =>
  entryOf(target, { verdict: "unmet", cause: "dns-servfail", onsetMs: ONSET_MS, ...parts });
const resolver = (cause: Entry["cause"] = "dns-servfail", options = DNS) =>
  failing({ cause }, targetOf(options, { host: "192.0.2.53", port: 53 }));
const other = (resolvedAtMs: number | undefined, more = {}) =>
  entryOf(targetOf(TCP, { host: "ghcr.test", ...more }), { own: { resolvedAtMs } });
const publicRow = (host: string, resolvedAtMs?: number): Entry =>
  failing(
    { requirement: requirementOf("r", { kind: "hosts", hosts: [host] }), own: { resolvedAtMs } },
    targetOf(TCP, { host }),
  );
const fault = (entry: Entry, ...others: Entry[]) => withNameFault(entry, [entry, ...others]);

describe("a name that the resolvers do not resolve", () => {
  const known = other(NOW_MS - 5_000);

  it.each(["dns-servfail", "dns-refused", "dns-timeout", "dns-malformed"] as const)(
    "is at fault by %s, while another name resolves",
    (cause) => {
      expect(fault(failing({ cause }), known)).toMatchObject({
        verdict: "unmet",
        cause,
        followsFrom: undefined,
        evidence:
          "The node's resolvers do not resolve omni.test, while they resolve other names, such as ghcr.test. Seen.",
        nextStep: expect.stringMatching(/^Owner of the zone of omni\.test: check its name servers and DNSSEC;/),
      });
    },
  );

  it("is one fault: its other rows follow from the first", () => {
    const first = failing();
    const second = failing({}, targetOf(TLS, { port: 8090 }));
    expect(withNameFault(second, [first, second, known])).toMatchObject({ followsFrom: first.target.id });
  });

  it.each<[string, Entry]>([
    ["before it failed", other(ONSET_MS - 1)],
    ["never by a query", other(undefined)],
    ["in the other family", other(NOW_MS, { family: 6 })],
  ])("is not where another name resolved %s", (_, before) => {
    const entry = failing({ own: { answeredAtMs: ONSET_MS - 1_000 } });
    expect(fault(entry, before)).toBe(entry);
  });

  it("is at fault from the start where it never resolved and another name did", () => {
    expect(fault(failing(), other(ONSET_MS - 1)).evidence).toMatch(/^The node's resolvers do not resolve omni\.test/);
  });

  it.each(["dns-nxdomain", "dns-unreachable", "timeout"] as const)("is not by %s", (cause) => {
    const entry = failing({ cause });
    expect(fault(entry, known)).toBe(entry);
  });

  it("is one of many where no public name resolves: one fault of the resolvers", () => {
    const rows = ["a.test", "b.test", "c.test"].map((host) => publicRow(host));
    const found = rows.map((entry) => withNameFault(entry, [...rows, known]));
    expect(found.map(({ followsFrom }) => followsFrom)).toEqual([undefined, rows[0]?.target.id, rows[0]?.target.id]);
    expect(found[0]?.nextStep).toMatch(/^Owner of the node's resolvers: let them resolve public names;/);
  });
});

describe("the resolver that is asked for such a name", () => {
  const name = failing();
  const known = other(NOW_MS - 5_000);

  it.each(["dns-servfail", "dns-refused", "dns-malformed", "timeout"] as const)("is degraded by %s", (cause) => {
    const found = fault(resolver(cause), name, known);
    expect(found).toMatchObject({
      verdict: "degraded",
      cause,
      followsFrom: name.target.id,
      evidence: "The fault is that of omni.test: other names resolve, such as ghcr.test. Seen.",
      nextStep: expect.stringMatching(/^Owner of the zone of omni\.test/),
    });
    expect(isNameFault(found)).toBe(true);
  });

  describe("beside another resolver", () => {
    const silent = (host: string) =>
      failing({ cause: "timeout", own: { reason: "timeout" } }, targetOf(DNS, { host, port: 53 }));
    const denying = failing({ own: { reason: "answer-servfail" } }, targetOf(DNS, { host: "192.0.2.54", port: 53 }));

    it("is dead by itself where it is silent and the other answers", () => {
      const entry = silent("192.0.2.53");
      expect(fault(entry, name, known, denying)).toBe(entry);
      expect(fault(denying, name, known, entry)).toMatchObject({ verdict: "degraded", followsFrom: name.target.id });
    });

    it("is degraded where both are silent", () => {
      expect(fault(silent("192.0.2.53"), name, known, silent("192.0.2.54")).verdict).toBe("degraded");
    });
  });

  it.each<[string, Entry, Entry[]]>([
    ["no other name resolves", resolver(), [name]],
    [
      "another resolver resolves the name",
      resolver(),
      [entryOf(targetOf(TCP), { own: { resolvedAtMs: NOW_MS } }), known],
    ],
    ["its transport fails", resolver("refused"), [name, known]],
    ["the query is for the other family", resolver("timeout", AAAA), [name, known]],
  ])("stays at fault where %s", (_, entry, others) => {
    expect(fault(entry, ...others)).toBe(entry);
    expect(isNameFault(entry)).toBe(false);
  });
});
