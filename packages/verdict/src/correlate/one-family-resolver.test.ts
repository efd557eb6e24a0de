import { type Cause, type IpFamily, type RecordType, recordTypeOf } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import type { Entry } from "../entry.ts";
import { entryOf, lookbackOf, NOW_MS, rememberedOf, TCP, targetOf } from "../testing/judgement-fixture.ts";
import { withOneFamily } from "./one-family-resolver.ts";

const SINCE_MS = NOW_MS - 20_000;

const dns = (type: RecordType, host: string, transport: "udp" | "tcp" = "udp") =>
  targetOf({ probe: "dns", query: "omni.test", transport, type }, { host, port: 53 });
// Its latest failure is later than the latest answer of the other type.
const failing = (type: RecordType, cause: Cause = "timeout", host = "192.0.2.53") =>
  entryOf(dns(type, host), {
    verdict: "unmet",
    cause,
    onsetMs: SINCE_MS,
    own: { seen: rememberedOf("timeout", NOW_MS + 500) },
  });
const answering = (type: RecordType, host = "192.0.2.53", lastMs = NOW_MS, transport: "udp" | "tcp" = "udp") => {
  const last = rememberedOf("answered", lastMs, {}, { outcomeClass: "good" });
  return entryOf(dns(type, host, transport), { own: { lookback: lookbackOf({ answered: 60 }, { last }) } });
};
const lookUp = (family: IpFamily, cause: Cause) =>
  entryOf(targetOf(TCP, { family }), { verdict: "unmet", cause, onsetMs: SINCE_MS });

describe("a resolver that answers one family alone", () => {
  it.each<[string, Cause]>([
    ["drops", "timeout"],
    ["refuses", "dns-refused"],
    ["fails", "dns-servfail"],
  ])("and %s the other is degraded, and named so", (_, cause) => {
    const entry = failing("AAAA", cause);
    expect(withOneFamily(entry, [answering("A"), entry])).toMatchObject({
      verdict: "degraded",
      cause: "dns-one-family",
      evidence: "The resolver 192.0.2.53 answers A queries, and not AAAA queries. Seen.",
      nextStep: "Owner of the resolver 192.0.2.53: let it answer AAAA queries too; an empty answer is enough.",
    });
  });

  it.each<[string, Entry[]]>([
    ["the other is not measured", []],
    ["the other fails too", [failing("A")]],
    ["the other answered last before the fault", [answering("A", "192.0.2.53", SINCE_MS - 1)]],
    ["another resolver answers", [answering("A", "192.0.2.54")]],
    ["the other is answered over TCP", [answering("A", "192.0.2.53", NOW_MS, "tcp")]],
    ["the same records are answered over TCP", [answering("AAAA", "192.0.2.53", NOW_MS, "tcp")]],
  ])("is not concluded where %s", (_, others) => {
    const entry = failing("AAAA");
    expect(withOneFamily(entry, [entry, ...others])).toBe(entry);
  });

  it("is not one that loses some queries of one family, by chance", () => {
    const entry: Entry = { ...failing("AAAA"), verdict: "degraded", cause: "loss" };
    expect(withOneFamily(entry, [entry, answering("A")])).toBe(entry);
  });

  it.each<[IpFamily, Cause]>([
    [6, "dns-timeout"],
    [6, "dns-refused"],
    [4, "dns-servfail"],
  ])("leaves open whether a name has an IPv%s address, after %s", (family, cause) => {
    const type = recordTypeOf(family);
    const resolver = failing(type);
    const entry = lookUp(family, cause);
    expect(withOneFamily(entry, [entry, resolver, answering(type === "A" ? "AAAA" : "A")])).toMatchObject({
      verdict: "unknown",
      cause: "dns-one-family",
      followsFrom: resolver.target.id,
    });
  });

  it.each<[string, Entry, Entry[]]>([
    ["of the family that is answered", lookUp(4, "dns-timeout"), [failing("AAAA"), answering("A")]],
    ["that does not exist", lookUp(6, "dns-nxdomain"), [failing("AAAA"), answering("A")]],
    ["that is resolved, and whose address fails", lookUp(6, "timeout"), [failing("AAAA"), answering("A")]],
    ["while the resolver answers nothing", lookUp(6, "dns-timeout"), [failing("AAAA"), failing("A")]],
    [
      "while another resolver answers",
      lookUp(6, "dns-timeout"),
      [failing("AAAA"), answering("A"), answering("AAAA", "192.0.2.54")],
    ],
  ])("changes nothing for a name %s", (_, entry, others) => {
    expect(withOneFamily(entry, [entry, ...others])).toBe(entry);
  });
});
