import { describe, expect, it } from "vitest";
import type { Entry } from "../entry.ts";
import type { NodeContext } from "../node-context.ts";
import { contextOf, type EntryParts, entryOf, LINK, STAMP, TCP, targetOf, UDP } from "../testing/judgement-fixture.ts";
import { withStandby } from "./standby-endpoint.ts";

const portAt = (host: string, more: EntryParts = {}) =>
  entryOf(targetOf(UDP, { requirementId: "port", host, port: 50_180 }), {
    service: "siderolink",
    verdict: "unknown",
    cause: "no-evidence",
    own: { basis: "silent", reason: "silent" },
    ...more,
  });
const [first, second] = [portAt("10.0.0.1"), portAt("10.0.0.2")];
const inside = (more: EntryParts = {}) =>
  entryOf(targetOf(TCP, { requirementId: "in", host: "fdae::1" }), { service: "in-tunnel", ...more });
const lost = inside({ verdict: "unmet", cause: "timeout", own: { reason: "timeout" } });
const link = entryOf(targetOf(LINK, { requirementId: "link" }), { service: "tunnel-link" });
const met = portAt("10.0.0.1", { verdict: "met", cause: "none" });
const reflectorAt = (host: string) =>
  entryOf(targetOf(STAMP, { requirementId: "port", host, port: 50_180 }), { service: "siderolink" });
const [reflector, reflector2] = [reflectorAt("10.0.0.1"), reflectorAt("10.0.0.2")];
const met2 = portAt("10.0.0.2", { verdict: "met", cause: "none" });

describe("an endpoint is standby", () => {
  it.each<[string, Entry, Entry[], NodeContext, RegExp | undefined]>([
    [
      "while the tunnel works over one of them",
      first,
      [second, inside()],
      {},
      /over one of the 2 advertised endpoints/,
    ],
    ["while only the interface receives", first, [second, link], {}, /over one of the 2/],
    [
      "while the tunnel runs over another one",
      second,
      [met, inside()],
      { observedEndpoint: "10.0.0.1:50180" },
      /and runs over 10\.0\.0\.1:50180\./,
    ],
    ["not if a reflector is there, which proves it or fails", first, [second, inside(), reflector], {}, undefined],
    ["if a reflector is at another one", first, [met2, inside(), reflector2], {}, /over one of the 2/],
    ["never without another one", first, [inside()], {}, undefined],
    ["not while the tunnel is dead", first, [second, lost], {}, undefined],
    ["not while the tunnel is dead and only its interface receives", first, [second, lost, link], {}, undefined],
    ["not while nothing is known of the tunnel", first, [second], {}, undefined],
    [
      "not if it refuses",
      portAt("10.0.0.1", { verdict: "unmet", cause: "wrong-endpoint" }),
      [second, inside()],
      {},
      undefined,
    ],
    ["not if it is proved", met, [second, inside()], {}, undefined],
    ["not without data", portAt("10.0.0.1", { cause: "no-data" }), [second, inside()], {}, undefined],
    [
      "not at another service",
      inside({ verdict: "unknown", cause: "no-evidence" }),
      [first, second, link],
      {},
      undefined,
    ],
  ])("%s", (_, entry, others, node, evidence) => {
    const found = withStandby(entry, [entry, ...others], contextOf({ node }));
    if (evidence === undefined) expect(found).toBe(entry);
    else {
      expect(found).toMatchObject({ verdict: "not-applicable", cause: "none", nextStep: "" });
      expect(found.evidence).toMatch(/^Standby, not proven: the tunnel works/);
      expect(found.evidence).toMatch(evidence);
    }
  });
});
