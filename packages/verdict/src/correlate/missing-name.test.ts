import type { Place, Service } from "@lifeline/catalogue";
import type { Evidence, ProbeOptions } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import type { Entry } from "../entry.ts";
import {
  DNS,
  entryOf,
  lookbackOf,
  NOW_MS,
  rememberedOf,
  requirementOf,
  TCP,
  targetOf,
} from "../testing/judgement-fixture.ts";
import { withMissingName } from "./missing-name.ts";

const missing = (place: Place, host = "omin.test") =>
  entryOf(targetOf(TCP, { host }), {
    verdict: "unmet",
    cause: "dns-nxdomain",
    requirement: requirementOf("r", place),
  });
const service = (name: Service, defaults?: readonly string[]): Place => ({
  kind: "service",
  service: name,
  ...(defaults === undefined ? {} : { defaults }),
});
const resolved = entryOf(targetOf(TCP, { host: "ghcr.test" }), { own: { lookback: lookbackOf({ refused: 3 }) } });
const address = entryOf(targetOf(TCP, { host: "192.0.2.1" }), { own: { lookback: lookbackOf({ answered: 3 }) } });

describe("a name that does not exist", () => {
  it.each<[string, Place, string, RegExp]>([
    ["Omni's API", service("api"), "omin.test", /^Deployment owner: check the spelling of omin\.test in omni\.api;/],
    ["the Machine API", service("machine-api"), "omin.test", /in omni\.machineApi, or in siderolink\.api of the node/],
    ["a SideroLink endpoint", service("siderolink"), "omin.test", /in omni\.siderolink;/],
    ["a time server of the site", service("time-server", ["time.test"]), "ntp.test", /in network\.timeServers;/],
    ["Talos's own time server", service("time-server", ["time.test"]), "time.test", /^Owner of the node's resolvers:/],
    [
      "a public host",
      { kind: "hosts", hosts: ["ghcr.io"] },
      "ghcr.io",
      /resolvers: find out why ghcr\.io does not exist/,
    ],
    ["a mirror", { kind: "hosts", hosts: ["ghcr.io"] }, "mirror.test", /mirror\.test in airGapped\.mirrors;/],
    [
      "a wildcard's host",
      { kind: "wildcard", pattern: "*.a.test", known: ["b.a.test"] },
      "b.a.test",
      /^Owner of the node/,
    ],
  ])("says where the name of %s is written", (_, place, host, step) => {
    const entry = missing(place, host);
    const found = withMissingName(entry, [entry, resolved]);
    expect(found).toMatchObject({ verdict: "unmet", cause: "dns-nxdomain" });
    expect(found.nextStep).toMatch(step);
    expect(found.nextStep).not.toMatch(/public names/);
  });

  describe("where two resolvers are asked for it", () => {
    const asked = (host: string, evidence: Evidence, options: ProbeOptions = { ...DNS, query: "omin.test" } as never) =>
      entryOf(targetOf(options, { host, port: 53 }), { own: { seen: rememberedOf("answered", NOW_MS, evidence) } });
    const denying = asked("192.0.2.1", { code: "NXDOMAIN" });
    const knowing = asked("192.0.2.2", { answers: ["192.0.2.9"] });
    const entry = missing(service("api"));

    it("names the one that denies it and the one that knows it", () => {
      const { evidence, nextStep } = withMissingName(entry, [entry, denying, knowing]);
      expect(evidence).toBe(
        "omin.test does not exist. The resolver 192.0.2.1:53 denies it, and the resolver 192.0.2.2:53 knows it. Seen.",
      );
      expect(nextStep).toMatch(/^Owner of the resolver 192\.0\.2\.1:53: let it know omin\.test/);
    });

    it.each<[string, Entry[]]>([
      ["both deny it", [denying, asked("192.0.2.2", { code: "NXDOMAIN" })]],
      ["the other knows another name", [denying, asked("192.0.2.2", { answers: ["192.0.2.9"] }, DNS)]],
      ["the other fails", [denying, { ...knowing, verdict: "unmet" }]],
    ])("doubts the spelling where %s", (_, resolvers) => {
      expect(withMissingName(entry, [entry, ...resolvers]).nextStep).toMatch(/check the spelling/);
    });
  });

  it("that a public host redirects to is not looked for in airGapped.mirrors", () => {
    const entry = { ...missing({ kind: "hosts", hosts: ["ghcr.io"] }, "blobs.test"), thirdParty: true };
    expect(withMissingName(entry, [entry, resolved]).nextStep).toMatch(/^Owner of the node's resolvers:/);
  });

  it.each<[string, Entry[], string]>([
    ["names one that does", [resolved], "omin.test does not exist; other names do, such as ghcr.test. Seen."],
    ["names none where none does", [missing(service("machine-api"), "b.test")], "omin.test does not exist. Seen."],
    [
      "does not name itself",
      [{ ...resolved, target: targetOf(TCP, { host: "omin.test" }) }],
      "omin.test does not exist. Seen.",
    ],
    ["does not name an address", [address], "omin.test does not exist. Seen."],
  ])("%s", (_, others, evidence) => {
    const entry = missing(service("api"));
    expect(withMissingName(entry, [entry, ...others]).evidence).toBe(evidence);
  });

  it("is one fault: its other rows follow from the first", () => {
    const first = missing(service("api"));
    const second = { ...missing(service("machine-api")), target: targetOf(TCP, { host: "omin.test", port: 8090 }) };
    expect(withMissingName(second, [first, second, resolved])).toMatchObject({ followsFrom: first.target.id });
    expect(withMissingName(first, [first, second, resolved])).toMatchObject({ followsFrom: undefined });
  });

  it("is one of many where none exists: one fault, and the resolver is suspected", () => {
    const [first, second, third] = ["a.test", "b.test", "c.test"].map((host) => missing(service("api"), host));
    const all = [first, second, third].filter((entry) => entry !== undefined);
    const found = all.map((entry) => withMissingName(entry, [...all, address]));
    expect(found.map(({ followsFrom }) => followsFrom)).toEqual([undefined, first?.target.id, first?.target.id]);
    expect(found[1]).toMatchObject({
      evidence: "b.test does not exist, nor does any other of 3 names. Seen.",
      nextStep: expect.stringMatching(/^Owner of the node's resolvers: find out why they know none/),
    });
    expect(withMissingName(second ?? address, [...all, resolved])).toMatchObject({ followsFrom: undefined });
  });

  it("is one of many where no public name exists, while the site's own do", () => {
    const names = ["ghcr.io", "gcr.io", "registry.k8s.io"];
    const all = names.map((host) => missing({ kind: "hosts", hosts: [host] }, host));
    const own = entryOf(targetOf(TCP, { host: "omni.test" }), {
      requirement: requirementOf("r", service("api")),
      own: { lookback: lookbackOf({ answered: 3 }) },
    });
    const found = all.map((entry) => withMissingName(entry, [own, ...all]));
    expect(found.map(({ followsFrom }) => followsFrom)).toEqual([undefined, all[0]?.target.id, all[0]?.target.id]);
    expect(found[2]).toMatchObject({
      evidence: "registry.k8s.io does not exist, nor does any other of 3 public names. Seen.",
      nextStep: expect.stringMatching(/or name mirrors and servers of the site\.$/),
    });
  });

  it("is no concern of a row with another cause, or that is not confirmed", () => {
    expect(withMissingName(resolved, [resolved])).toBe(resolved);
    const first = { ...missing(service("api")), verdict: "unknown" as const };
    expect(withMissingName(first, [first])).toBe(first);
  });
});
