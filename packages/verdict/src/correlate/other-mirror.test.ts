import type { ProbeOptions } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import type { Entry } from "../entry.ts";
import { entryOf, TCP, TLS, targetOf } from "../testing/judgement-fixture.ts";
import { withOtherMirror } from "./other-mirror.ts";

const ENDPOINTS = ["a.test:443", "b.test:443"];
const at = (host: string, verdict: Entry["verdict"], options: ProbeOptions = TCP, changes: Partial<Entry> = {}) =>
  entryOf(targetOf(options, { host }), {
    verdict,
    alternatives: ENDPOINTS.filter((endpoint) => !endpoint.startsWith(host)),
    ...changes,
  });
const dead = at("a.test", "unmet");

describe("a mirror that fails", () => {
  it.each<[string, Entry[], Entry["verdict"]]>([
    ["while another one works", [at("b.test", "met"), at("b.test", "met", TLS)], "degraded"],
    ["while another one is degraded", [at("b.test", "met"), at("b.test", "degraded", TLS)], "unmet"],
    ["while another one fails too", [at("b.test", "met"), at("b.test", "unmet", TLS)], "unmet"],
    ["while nothing is known of another one", [at("b.test", "met"), at("b.test", "unknown", TLS)], "unmet"],
    ["without another one", [], "unmet"],
  ])("%s: %s", (_, others, verdict) => {
    expect(withOtherMirror(dead, [dead, ...others]).verdict).toBe(verdict);
  });

  it("is unmet where each endpoint must work", () => {
    const alone = at("a.test", "unmet", TCP, { alternatives: [] });
    expect(withOtherMirror(alone, [alone, at("b.test", "met")])).toBe(alone);
  });

  it("names the one that works", () => {
    expect(withOtherMirror(dead, [dead, at("b.test", "met")]).evidence).toContain("The mirror b.test:443 works");
  });
});
