import type { IpFamily, Reason, Target } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import type { Entry } from "../entry.ts";
import {
  contextOf,
  DNS,
  type EntryParts,
  entryOf,
  lookbackOf,
  NOW_MS,
  rememberedOf,
  TCP,
  TLS,
  targetOf,
} from "../testing/judgement-fixture.ts";
import { withFamilyPath } from "./family-path.ts";
import { withRootCause } from "./root-cause.ts";

const ONSET_MS = NOW_MS - 20_000;
const ADDRESSES: Readonly<Record<string, string>> = { "a.test": "2001:db8:a::1", "b.test": "2001:db8:b::1" };

function at(host: string, family: IpFamily, more: Partial<Target> = {}): Target {
  return targetOf(more.options ?? TCP, { host, family, ...more });
}

function failing(target: Target, reason: Reason = "timeout", more: EntryParts = {}): Entry {
  const seen = rememberedOf(reason, NOW_MS - 1_000, { address: ADDRESSES[target.host] ?? target.host });
  const own = { basis: "failed", reason, seen, ...more.own } as const;
  return entryOf(target, { verdict: "unmet", cause: "timeout", onsetMs: ONSET_MS, ...more, own });
}

function answering(target: Target, answeredAtMs = NOW_MS - 500, evidence = {}): Entry {
  const last = rememberedOf("answered", answeredAtMs, evidence, { outcomeClass: "good" });
  return entryOf(target, { own: { lookback: lookbackOf({ answered: 9 }, { last }), seen: last } });
}

function correlated(entries: readonly Entry[], more: Parameters<typeof contextOf>[0] = {}): readonly Entry[] {
  const context = contextOf(more);
  const named = entries.map((entry) => withFamilyPath(entry, entries, context));
  return named.map((entry) => withRootCause(entry, named, context));
}

const both = (family: IpFamily): readonly Entry[] => [
  failing(at("a.test", family, { options: TLS })),
  failing(at("a.test", family)),
  failing(at("b.test", family)),
];
const others = (family: IpFamily) => [answering(at("a.test", family)), answering(at("b.test", family))];

describe("an IP version that is broken as a whole", () => {
  it.each([
    [
      6,
      4,
      "ipv6-unreachable",
      /fix IPv6 routing, or the firewall for IPv6, for this node\. Node owner: or disable IPv6/,
    ],
    [4, 6, "ipv4-unreachable", /^Network team: fix IPv4 routing, or the firewall for IPv4, for this node\.$/],
  ] as const)("has one root: IPv%i, where IPv%i works", (family, other, cause, step) => {
    const rows = correlated([...both(family), ...others(other)]);
    const broken = rows.filter(({ target }) => target.family === family);
    expect(broken.map((row) => row.cause)).toEqual([cause, cause, cause]);
    const [root, ...more] = broken.filter(({ followsFrom }) => followsFrom === undefined);
    expect(more).toEqual([]);
    expect(root?.target.options.probe).toBe("tcp");
    expect(root?.nextStep).toMatch(step);
    expect(root?.evidence).toContain(
      `IPv${family} from this node reaches none of 2 hosts (a.test, b.test), and IPv${other} reaches them.`,
    );
    for (const row of broken.filter((one) => one !== root)) {
      expect(row.followsFrom).toBe(root?.target.id);
      expect(row.nextStep).not.toContain("allow TCP");
    }
    expect(rows.filter(({ target }) => target.family === other).every(({ verdict }) => verdict === "met")).toBe(true);
  });

  it("says that the node has no route, where that is seen", () => {
    const rows = correlated([
      failing(at("a.test", 6), "network-unreachable"),
      failing(at("b.test", 6), "network-unreachable"),
      ...others(4),
    ]);
    expect(rows[0]?.nextStep).toMatch(/^Node owner: give this node an IPv6 route\./);
  });

  it("takes literals of that version with it, such as a resolver", () => {
    const resolver = failing(at("2001:db8::53", 6, { options: DNS, port: 53 }));
    const rows = correlated([resolver, ...both(6), ...others(4)]);
    expect(rows[0]).toMatchObject({ cause: "ipv6-unreachable" });
  });

  it.each<[string, readonly Entry[]]>([
    ["one host fails", [failing(at("a.test", 6)), ...others(4)]],
    ["another host has answered over it since", [...both(6), answering(at("c.test", 6)), ...others(4)]],
    ["the other version fails too", [...both(6), failing(at("a.test", 4)), failing(at("b.test", 4))]],
    ["the other version is not measured", [...both(6)]],
    ["only one of the hosts is reached over the other", [...both(6), answering(at("a.test", 4))]],
    [
      "the hosts refuse: they listen on the other alone",
      [failing(at("a.test", 6), "refused"), failing(at("b.test", 6), "refused"), ...others(4)],
    ],
    [
      "two names of one address fail",
      ["a.test", "b.test"]
        .map((host) =>
          failing(at(host, 6), "timeout", {
            own: { seen: rememberedOf("timeout", NOW_MS, { address: "2001:db8::1" }) },
          }),
        )
        .concat(others(4)),
    ],
    [
      "both hosts are connected and then silent",
      [failing(at("a.test", 6), "handshake-timeout"), failing(at("b.test", 6), "handshake-timeout"), ...others(4)],
    ],
  ])("is not concluded where %s", (_, entries) => {
    for (const { cause } of correlated(entries)) expect(cause).not.toMatch(/^ipv/);
  });

  it("is not refuted by an old answer, nor by a resolver on the node's own network", () => {
    const old = answering(at("c.test", 6), ONSET_MS - 5_000);
    const near = answering(at("fd00:9::53", 6, { options: DNS, port: 53 }), NOW_MS, {
      address: "fd00:9::53",
      localAddress: "fd00:9:0:0::7",
    });
    const rows = correlated([...both(6), old, near, ...others(4)]);
    expect(rows[0]?.cause).toBe("ipv6-unreachable");
  });

  it("leaves a host that fails over both versions its own cause", () => {
    const dead = [failing(at("c.test", 6)), failing(at("c.test", 4))];
    const rows = correlated([...both(6), ...others(4), ...dead]);
    expect(rows.filter(({ target }) => target.host === "c.test").map(({ cause }) => cause)).toEqual([
      "timeout",
      "timeout",
    ]);
    expect(rows[1]?.cause).toBe("ipv6-unreachable");
  });

  it("stays the cause of a row that has not recovered yet, and of no new failure", () => {
    const late = failing(at("b.test", 6));
    const previous = new Map([
      [late.target.id, { verdict: "unmet", cause: "ipv6-unreachable", sinceMs: ONSET_MS, onsetMs: ONSET_MS } as const],
    ]);
    const rows = correlated([answering(at("a.test", 6)), late, ...others(4)], { previous });
    expect(rows[1]).toMatchObject({ cause: "ipv6-unreachable", followsFrom: undefined });
    expect(rows[1]?.evidence).toContain("It began when IPv6 as a whole failed from this node.");
    const again = failing(at("b.test", 6), "timeout", { onsetMs: ONSET_MS + 9_000 });
    expect(correlated([answering(at("a.test", 6)), again, ...others(4)], { previous })[1]?.cause).toBe("timeout");
  });
});
