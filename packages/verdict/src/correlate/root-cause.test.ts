import type { Service } from "@lifeline/catalogue";
import type { Cause, ProbeOptions, Reason } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import type { Entry } from "../entry.ts";
import {
  closedPort,
  contextOf,
  DNS,
  type EntryParts,
  entryOf,
  LINK,
  lookbackOf,
  MTU,
  NOW_MS,
  rememberedOf,
  STAMP,
  TCP,
  TLS,
  targetOf,
  UDP,
} from "../testing/judgement-fixture.ts";
import { withRootCause } from "./root-cause.ts";

const HTTP: ProbeOptions = { probe: "http", expect: { method: "GET", path: "/", version: "2", statuses: [] } };
const bad = (
  options: ProbeOptions,
  cause: Cause,
  more: EntryParts & { host?: string; family?: 4 | 6; port?: number; id?: string } = {},
) => {
  const { host = "omni.test", family = 4, port = 443, id = "r", ...parts } = more;
  return entryOf(targetOf(options, { requirementId: id, host, family, port }), {
    verdict: "unmet",
    cause,
    nextStep: "Fix it.",
    ...parts,
  });
};
const at = (service: Service, options: ProbeOptions, cause: Cause, more: Parameters<typeof bad>[2] = {}) =>
  bad(options, cause, { id: service, service, ...more });
const proxied = entryOf(targetOf(TCP, { proxy: { host: "proxy.test", port: 3_128 } }), {
  verdict: "unmet",
  cause: "timeout",
});
const reason = (of: Reason): EntryParts => ({ own: { reason: of } });

const tls = bad(TLS, "timeout");
const tcp = bad(TCP, "timeout");
const http = bad(HTTP, "timeout");
const dns = bad(DNS, "timeout", { host: "192.0.2.53", port: 53 });
const dnsTcp = bad({ probe: "dns", query: "omni.test", transport: "tcp", type: "A" }, "refused", {
  host: "192.0.2.53",
  port: 53,
});
const unanswered = bad(TCP, "dns-timeout");
const mtu = bad(MTU, "path-mtu", { host: "10.0.0.1" });

/** A tunnel that is dead, with the fault of the Machine API where one is given. */
const lost = at("in-tunnel", TCP, "timeout", { host: "fdae::1", ...reason("timeout") });
/** Lost at times since long ago, last at that time. */
const lossyAt = (atMs: number) =>
  at("in-tunnel", TCP, "loss", {
    host: "fdae::1",
    verdict: "degraded",
    onsetMs: 0,
    own: {
      reason: "timeout",
      seen: rememberedOf("timeout", 0),
      lookback: lookbackOf({ timeout: 1 }, { lastBad: rememberedOf("tunnel-one-way", atMs) }),
    },
  });
const large = at("in-tunnel", closedPort(1_232), "path-mtu", { host: "fdae::1", ...reason("timeout") });
const apiTcp = at("machine-api", TCP, "timeout", { host: "api.test" });
const apiTls = at("machine-api", TLS, "tls-expired", { host: "api.test" });
const port = at("siderolink", UDP, "udp-blocked", { host: "10.0.0.1", port: 50_180 });
const portOpen = at("siderolink", UDP, "no-evidence", { host: "10.0.0.1", port: 50_180, verdict: "unknown" });
const stamp = (cause: Cause, more: Parameters<typeof bad>[2] = {}) =>
  at("siderolink", STAMP, cause, { host: "10.0.0.1", port: 50_180, ...more });
const largeStamp = at("siderolink", MTU, "timeout", { host: "10.0.0.1", port: 50_180 });
const absent = at("tunnel-link", LINK, "not-joined", { host: "siderolink", port: 0, ...reason("link-absent") });
const noIpv6 = at("tunnel-link", LINK, "ipv6-disabled", { host: "siderolink", port: 0, ...reason("link-no-address") });
const frozen = at("tunnel-link", LINK, "udp-blocked", { host: "siderolink", port: 0, ...reason("link-frozen") });

const GRPC = { probe: "grpc", expect: { method: "/s.S/M", status: 12, message: "*" } } as const;

function rootOf(entry: Entry, others: readonly Entry[]): string | undefined {
  return withRootCause(entry, [...others, entry], contextOf()).followsFrom;
}

describe("a fault at an endpoint follows from", () => {
  it.each<[string, Entry, Entry[], Entry | undefined]>([
    ["nothing", tls, [], undefined],
    ["TCP below TLS", tls, [tcp], tcp],
    ["TCP below HTTP, though TLS fails too", http, [tls, tcp], tcp],
    ["TCP in any order of the targets", http, [tcp, tls], tcp],
    ["TLS below HTTP", http, [tls], tls],
    ["TLS below gRPC", bad(GRPC, "timeout"), [tls], tls],
    ["no layer above it", tcp, [tls, http], undefined],
    ["no probe of the same layer", http, [bad(GRPC, "timeout")], undefined],
    ["no HTTP, for gRPC", bad(GRPC, "timeout"), [http], undefined],
    ["no UDP", tls, [bad(UDP, "refused")], undefined],
    ["no resolver at the endpoint", tls, [bad(DNS, "timeout")], undefined],
    ["no STAMP", tls, [bad(STAMP, "timeout")], undefined],
    ["no interface", tls, [bad(LINK, "not-joined")], undefined],
    ["no search for the path MTU", tls, [bad(MTU, "timeout")], undefined],
    ["TCP that is degraded", bad(TLS, "loss", reason("timeout")), [bad(TCP, "loss", { verdict: "degraded" })], tcp],
    [
      "TCP that is slow: it explains no certificate",
      bad(TLS, "tls-expired", reason("tls-expired")),
      [bad(TCP, "latency", { verdict: "degraded" })],
      undefined,
    ],
    ["no TCP that answers", tls, [entryOf(targetOf(TCP))], undefined],
    ["no TCP of unknown verdict", tls, [bad(TCP, "no-data", { verdict: "unknown" })], undefined],
    ["no TCP that is compared only", tls, [bad(TCP, "timeout", { comparison: true })], undefined],
    ["no TCP at another host", tls, [bad(TCP, "timeout", { host: "other.test" })], undefined],
    ["no TCP at another port", tls, [bad(TCP, "timeout", { port: 80 })], undefined],
    ["no TCP over the other family", tls, [bad(TCP, "timeout", { family: 6 })], undefined],
    ["no TCP through a proxy, for a direct target", tls, [proxied], undefined],
    ["the resolver, for a DNS fault", unanswered, [dns], dns],
    [
      "the resolver over TCP, for a DNS fault of either family",
      bad(TCP, "dns-timeout", { family: 6 }),
      [dnsTcp],
      dnsTcp,
    ],
    [
      "no dead resolver since whose onset another name was looked up",
      unanswered,
      [dns, entryOf(targetOf(TCP, { host: "ghcr.test" }), { own: { resolvedAtMs: dns.onsetMs } })],
      undefined,
    ],
    [
      "no TCP port of such a resolver",
      unanswered,
      [dnsTcp, dns, entryOf(targetOf(TCP, { host: "ghcr.test" }), { own: { resolvedAtMs: dns.onsetMs } })],
      undefined,
    ],
    [
      "a dead resolver before whose onset another name was looked up",
      unanswered,
      [dns, entryOf(targetOf(TCP, { host: "ghcr.test" }), { own: { resolvedAtMs: dns.onsetMs - 1 } })],
      dns,
    ],
    [
      "no dead resolver that failed on after another name was looked up",
      unanswered,
      [
        { ...dns, own: { ...dns.own, seen: rememberedOf("timeout", dns.onsetMs + 5) } },
        entryOf(targetOf(TCP, { host: "ghcr.test" }), { own: { resolvedAtMs: dns.onsetMs + 5 } }),
      ],
      undefined,
    ],
    [
      "a dead resolver that may have answered again when another name was looked up",
      unanswered,
      [
        { ...dns, own: { ...dns.own, seen: rememberedOf("timeout", dns.onsetMs + 5) } },
        entryOf(targetOf(TCP, { host: "ghcr.test" }), { own: { resolvedAtMs: dns.onsetMs + 6 } }),
      ],
      dns,
    ],
    [
      "the resolver's TCP port, which a truncated answer needs, though another name was looked up",
      unanswered,
      [dnsTcp, entryOf(targetOf(TCP, { host: "ghcr.test" }), { own: { resolvedAtMs: dnsTcp.onsetMs } })],
      dnsTcp,
    ],
    ["no resolver that was asked for the other family", bad(TCP, "dns-timeout", { family: 6 }), [dns], undefined],
    ["no resolver, for a name that does not exist", bad(TCP, "dns-nxdomain"), [dns], undefined],
    ["no resolver, for another fault", tcp, [dns], undefined],
    ["no resolver, for drift, which is an answer", bad(TCP, "dns-drift"), [dns], undefined],
    [
      "no other resolver, for a resolver",
      bad(DNS, "dns-refused", { host: "192.0.2.53", port: 53 }),
      [bad(DNS, "timeout", { host: "192.0.2.54", port: 53 })],
      undefined,
    ],
    ["no other target, for a DNS fault", unanswered, [bad(UDP, "timeout", { host: "other.test" })], undefined],
    ["TCP, for a DNS fault where the resolver answers", bad(TLS, "dns-nxdomain"), [tcp], tcp],
    ["the path MTU, for a handshake that times out", bad(TLS, "timeout", reason("handshake-timeout")), [mtu], mtu],
    ["no path MTU, for a connection that times out", bad(TLS, "timeout", reason("timeout")), [mtu], undefined],
    [
      "no other fault, for a handshake that times out",
      bad(TLS, "timeout", reason("handshake-timeout")),
      [bad(MTU, "timeout")],
      undefined,
    ],
    ["TCP before the path MTU", bad(TLS, "timeout", reason("handshake-timeout")), [mtu, tcp], tcp],
  ])("%s", (_, entry, others, root) => {
    expect(rootOf(entry, others)).toBe(root?.target.id);
  });
});

describe("a fault of SideroLink follows from", () => {
  it.each<[string, Entry, Entry[], Entry | undefined]>([
    ["the port", lost, [port], port],
    ["the port, for the interface", frozen, [port], port],
    ["the port before its STAMP", lost, [stamp("timeout"), port], port],
    ["STAMP at the port where the port itself is unknown", lost, [portOpen, stamp("timeout")], stamp("timeout")],
    ["the Machine API before the port", lost, [port, apiTcp], apiTcp],
    ["the lowest fault of the Machine API", lost, [apiTls, apiTcp], apiTcp],
    ["the Machine API, for the interface", frozen, [port, apiTcp], apiTcp],
    [
      "no Machine API that is compared only",
      lost,
      [at("machine-api", TCP, "timeout", { comparison: true })],
      undefined,
    ],
    ["no Machine API of unknown verdict", lost, [at("machine-api", TCP, "no-data", { verdict: "unknown" })], undefined],
    ["the node's own end", lost, [absent, port], absent],
    ["the node's own end, without IPv6", lost, [noIpv6, port], noIpv6],
    ["no frozen interface, which is a symptom", lost, [frozen], undefined],
    ["the Machine API before the node's own end", lost, [absent, apiTcp], apiTcp],
    ["the mtu probe, for the path MTU", large, [port, mtu], mtu],
    ["no port, for the path MTU", large, [port], undefined],
    ["nothing, for an interface without IPv6", noIpv6, [port, apiTcp, lost], undefined],
    ["the Machine API, for a node that has not joined, though the tunnel is not dead", absent, [apiTcp], apiTcp],
    ["no port, for a node that has not joined", absent, [port], undefined],
    [
      "no Machine API, for an interface that works as long as the tunnel does",
      at("tunnel-link", LINK, "loss", reason("answered")),
      [apiTcp],
      undefined,
    ],
    [
      "the Machine API only while the tunnel is dead",
      at("in-tunnel", TCP, "refused", reason("refused")),
      [apiTcp],
      undefined,
    ],
    ["no tunnel, for a target elsewhere", bad(TCP, "timeout"), [port, lost], undefined],
    ["no UDP of another service", lost, [bad(UDP, "timeout")], undefined],
    [
      "no Machine API, for the Machine API",
      apiTls,
      [lost, at("machine-api", TCP, "timeout", { host: "other.test" })],
      undefined,
    ],
    ["no absence of another kind, for the tunnel", lost, [at("tunnel-link", LINK, "timeout")], undefined],
    [
      "no absence of another service, for the tunnel",
      lost,
      [at("machine-api", LINK, "not-joined", { verdict: "unknown" })],
      undefined,
    ],
    ["the port, for losses of earlier outages and of this one", lossyAt(NOW_MS - 1_000), [port], port],
    ["no port, for losses of earlier outages alone", lossyAt(0), [port], undefined],
    [
      "nothing that began later",
      at("in-tunnel", TCP, "timeout", { onsetMs: 0, ...reason("timeout") }),
      [port],
      undefined,
    ],
  ])("%s", (_, entry, others, root) => {
    expect(rootOf(entry, others)).toBe(root?.target.id);
  });
});

describe("a fault of STAMP at the port follows from", () => {
  it.each<[string, Entry, Entry[], Entry | undefined]>([
    ["the port", stamp("timeout"), [port], port],
    ["the port, when refused", stamp("refused"), [port], port],
    ["the port, at a wrong endpoint", stamp("wrong-endpoint"), [port], port],
    ["the port, when filtered", stamp("filtered"), [port], port],
    ["the port, without a route", stamp("unreachable"), [port], port],
    ["no port, for a reply of another kind", stamp("stamp-protocol"), [port], undefined],
    ["no port at another address", stamp("timeout", { host: "10.0.0.2" }), [port], undefined],
    [
      "no other service at the port",
      stamp("timeout"),
      [bad(UDP, "timeout", { host: "10.0.0.1", port: 50_180 })],
      undefined,
    ],
    ["the Machine API before the port", stamp("timeout"), [port, lost, apiTcp], apiTcp],
    ["small packets, for large ones", largeStamp, [stamp("timeout")], stamp("timeout")],
    ["the port before small packets", largeStamp, [stamp("timeout"), port], port],
    ["no large packets, for small ones", stamp("timeout"), [largeStamp], undefined],
    ["nothing, for a port that refuses", at("siderolink", UDP, "wrong-endpoint"), [lost, apiTcp], undefined],
    ["nothing, for the port", port, [stamp("timeout"), largeStamp, lost, apiTcp], undefined],
  ])("%s", (_, entry, others, root) => {
    expect(rootOf(entry, others)).toBe(root?.target.id);
  });
});

describe("what is not failing", () => {
  it.each<[string, Entry, Entry[], Entry | undefined]>([
    ["follows from nothing", entryOf(targetOf(TLS)), [tcp], undefined],
    ["but a silent port may follow from the Machine API", portOpen, [lost, apiTcp], apiTcp],
    ["a silent port follows from nothing while the tunnel works", portOpen, [apiTcp], undefined],
    [
      "a port without data follows from nothing",
      at("siderolink", UDP, "no-data", { verdict: "unknown" }),
      [lost, apiTcp],
      undefined,
    ],
    [
      "silence elsewhere follows from nothing",
      bad(UDP, "no-evidence", { verdict: "unknown" }),
      [lost, apiTcp],
      undefined,
    ],
  ])("%s", (_, entry, others, root) => {
    expect(rootOf(entry, others)).toBe(root?.target.id);
  });
});

it("names the root in the evidence and the next step", () => {
  expect(withRootCause(tls, [tcp, tls], contextOf())).toMatchObject({
    verdict: "unmet",
    evidence: "Seen. It follows from tcp to omni.test:443 (r), which is unmet: timeout.",
    nextStep: "First fix tcp to omni.test:443 (r). Fix it.",
  });
});

describe("a certificate that the clock makes look wrong follows from the check of the clock", () => {
  const wrong = bad(TLS, "clock");
  it.each<[string, Entry, number | undefined, string | undefined, string | undefined]>([
    ["10 s behind", wrong, 10_000, "clock-row", "clock-row"],
    ["10 s ahead", wrong, -10_000, "clock-row", "clock-row"],
    ["less", wrong, 9_999, "clock-row", undefined],
    ["unknown", wrong, undefined, "clock-row", undefined],
    ["not checked", wrong, 10_000, undefined, undefined],
    ["of a target that answers", bad(TLS, "clock", { verdict: "met" }), 10_000, "clock-row", undefined],
    ["of another cause", tls, 10_000, "clock-row", undefined],
  ])("%s", (_, entry, clockOffsetMs, clockRowId, root) => {
    const node = clockOffsetMs === undefined ? {} : { clockOffsetMs };
    const found = withRootCause(entry, [entry], contextOf({ node, clockRowId }));
    expect([found.followsFrom, found.evidence]).toEqual([root, "Seen."]);
  });

  it("and from nothing else", () => {
    expect(withRootCause(wrong, [tcp, wrong], contextOf()).followsFrom).toBeUndefined();
  });
});

describe("a fault at some addresses of a name", () => {
  const failing = (address: string) => {
    const seen = rememberedOf("timeout", NOW_MS);
    return { address, reason: "timeout" as const, seen, runLength: 3, sinceMs: NOW_MS };
  };
  const states = (addresses: readonly string[]) => ({
    failing: addresses.map(failing),
    answering: [],
    faltering: [],
    undecided: [],
    allBadNow: false,
    recoveredAtMs: 0,
    answeringSinceMs: 0,
    count: 2,
  });
  const below = bad(TCP, "dead-address", {
    verdict: "degraded",
    own: { basis: "some-addresses", addresses: states(["192.0.2.2"]) },
  });

  it.each([
    ["the same address", ["192.0.2.2"], true],
    ["another address too", ["192.0.2.1", "192.0.2.2"], false],
    ["another address alone", ["192.0.2.1"], false],
  ])("explains a fault above it at %s: %s", (_, addresses, isRoot) => {
    const above = bad(TLS, "dead-address", { own: { basis: "some-addresses", addresses: states(addresses) } });
    const rooted = withRootCause(above, [below, above], contextOf());
    expect(rooted.followsFrom).toBe(isRoot ? below.target.id : undefined);
  });
});
