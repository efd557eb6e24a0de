import type { Reason } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import type { Entry } from "../entry.ts";
import { contextOf, entryOf, lookbackOf, requirementOf, TCP, targetOf } from "../testing/judgement-fixture.ts";
import { isDnsCause, withMissingAddress } from "./missing-address.ts";

const lacking = (count = 2, family: 4 | 6 = 6, host = "omni.test") =>
  entryOf(targetOf(TCP, { family, host }), {
    verdict: "unknown",
    cause: "dns-nodata",
    own: { basis: "name-has-no-address", lookback: lookbackOf(count === 0 ? {} : { "dns-nodata": count }) },
  });
const other = (reason: Reason, more: { family?: 4 | 6; host?: string } = {}) =>
  entryOf(targetOf(TCP, { family: 4, ...more }), { own: { lookback: lookbackOf({ [reason]: 5 }) } });

describe("a family without an address", () => {
  it.each<[string, Entry, Entry[], string, string]>([
    ["does not apply while the other answers", lacking(), [other("answered")], "not-applicable", "none"],
    ["does not apply while the other fails", lacking(), [other("refused")], "not-applicable", "none"],
    ["is unknown while the other's resolver fails", lacking(), [other("dns-servfail")], "unknown", "dns-nodata"],
    ["is unknown while the other is not measured", lacking(), [other("stalled")], "unknown", "dns-nodata"],
    ["is a fault where no other is measured", lacking(), [], "unmet", "no-common-family"],
    [
      "is a fault where another name has an address",
      lacking(),
      [other("answered", { host: "other.test" })],
      "unmet",
      "no-common-family",
    ],
    [
      "is a fault where the same family alone is measured twice",
      lacking(),
      [other("answered", { family: 6 })],
      "unmet",
      "no-common-family",
    ],
    ["is a fault where the other lacks one too", lacking(), [lacking(2, 4)], "unmet", "dns-nodata"],
    [
      "is unknown while one of the others is",
      lacking(),
      [lacking(2, 4), entryOf(targetOf(TCP, { port: 80 }), { own: { basis: "no-data" } })],
      "unknown",
      "dns-nodata",
    ],
    ["is unknown after one answer of the resolver", lacking(1), [], "unknown", "dns-nodata"],
    ["is unknown without one", lacking(0), [], "unknown", "dns-nodata"],
    ["is left alone where it has an address", other("answered"), [lacking()], "met", "none"],
  ])("%s", (_, entry, others, verdict, cause) => {
    expect(withMissingAddress(entry, [entry, ...others], contextOf())).toMatchObject({ verdict, cause });
  });

  it.each<[string, Entry, Entry[], string, RegExp]>([
    [
      "IPv4 measures",
      lacking(),
      [other("answered")],
      "The name omni.test has no IPv6 address; it is measured over IPv4.",
      /^$/,
    ],
    [
      "IPv6 measures",
      lacking(2, 4),
      [other("answered", { family: 6 })],
      "The name omni.test has no IPv4 address; it is measured over IPv6.",
      /^$/,
    ],
    [
      "a host has only IPv4, for a node with only IPv6",
      lacking(),
      [],
      "omni.test has no IPv6 address, and IPv6 is the only family that this node has a route for: to this node it is an IPv4-only host. Seen.",
      /^Network team: give this node NAT64 with DNS64, .* or name a mirror for omni\.test/,
    ],
    [
      "Omni has only IPv6, for a node with only IPv4",
      { ...lacking(2, 4), requirement: requirementOf("r", { kind: "service", service: "api" }) },
      [],
      "omni.test has no IPv4 address, and IPv4 is the only family that this node has a route for: to this node it is an IPv6-only host. Seen.",
      /^Network team: give this node an IPv6 route; owner of the zone of omni\.test: or give it an IPv4 address/,
    ],
    [
      "both lack one",
      lacking(),
      [lacking(2, 4)],
      "The name omni.test has neither an IPv4 nor an IPv6 address. Seen.",
      /^Owner of the zone/,
    ],
    ["it is not sure", lacking(1), [], "Seen.", /^Wait for the next samples/],
  ])("says that %s", (_, entry, others, evidence, nextStep) => {
    const found = withMissingAddress(entry, [entry, ...others], contextOf());
    expect([found.evidence, found.nextStep]).toEqual([evidence, expect.stringMatching(nextStep)]);
  });
});

it.each([
  ["dns-timeout", true],
  ["dns-nodata", true],
  ["dns-drift", false],
  ["timeout", false],
] as const)("%s is a failure of DNS: %s", (cause, isOne) => {
  expect(isDnsCause(cause)).toBe(isOne);
});
