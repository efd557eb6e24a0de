import type { Place, Requirement, Resolution } from "@lifeline/catalogue";
import { type IpFamily, type ProbeOptions, type Target, targetId } from "@lifeline/measure";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_BUDGETS, paced } from "./cadence.ts";

const TCP: ProbeOptions = { probe: "tcp", acceptReset: false };
const TLS: ProbeOptions = { probe: "tls", trust: { kind: "public" }, alpn: [], alpnRequired: false };
const MTU: ProbeOptions = { probe: "mtu", authenticated: false, requiredBytes: 1_340 };
const REFUSAL: ProbeOptions = { probe: "udp", payloadBytes: 16, expectRefusal: true };
const PROXY = { host: "proxy.test", port: 3_128 };
const GRPC: ProbeOptions = { probe: "grpc", expect: { method: "/s.S/M", status: 12, message: "*" } };

function resolution(
  options: readonly ProbeOptions[],
  place: Place,
  families: readonly IpFamily[] = [4],
  cadenceMs = 1_000,
  proxy?: Target["proxy"],
): Resolution {
  const targets = options.flatMap((of, at) =>
    families.map((family): Target => {
      const to = proxy === undefined ? { host: "omni.test" } : { host: `omni${at}.test`, proxy };
      const base = { requirementId: "r", ...to, port: 443, family, options: of };
      return { id: targetId(base), ...base, cadenceMs, timeoutMs: 950 };
    }),
  );
  const requirement: Requirement = {
    id: "r",
    purpose: "test",
    source: { document: "d", version: "v1", section: "s" },
    from: "talos-node",
    deployments: ["on-prem"],
    obligation: "required",
    protocol: "tcp",
    port: 443,
    place,
    published: null,
    effective: { value: "x", evidence: ["test"] },
    probes: [],
  };
  return {
    catalogueVersion: "v1",
    rows: [
      {
        requirement,
        kind: "targets",
        targets,
        skipped: [],
        notes: [],
        comparisonIds: [],
        thirdPartyIds: [],
        alternatives: [],
      },
    ],
  };
}
const OUTSIDE: Place = { kind: "hosts", hosts: ["omni.test"] };
const INSIDE: Place = { kind: "service", service: "in-tunnel" };
const TUNNEL: Place = { kind: "service", service: "tunnel-link" };
const cadences = (of: Resolution) =>
  of.rows.flatMap((row) => (row.kind === "targets" ? row.targets.map(({ cadenceMs }) => cadenceMs) : []));

describe("paced (P1)", () => {
  it.each<[string, number[], Resolution, number]>([
    ["a node alone probes once a second", [1_000, 1_000], resolution([TCP, TLS], OUTSIDE), 1],
    ["a small fleet does, too", [1_000, 1_000], resolution([TCP, TLS], OUTSIDE), 32],
    ["500 connects a second", [8_200], resolution([TCP], OUTSIDE), 4_096],
    ["50 handshakes a second", [82_000], resolution([TLS], OUTSIDE), 4_096],
    ["2,000 a second in the tunnel", [2_100], resolution([TCP], INSIDE), 4_096],
    [
      "both families and all handshakes share the endpoint's budget",
      [81_920 * 4, 81_920 * 4, 81_920 * 4, 81_920 * 4].map((ms) => Math.ceil(ms / 100) * 100),
      resolution([TLS, GRPC], OUTSIDE, [4, 6]),
      4_096,
    ],
    ["a slower cadence of the row stays", [64_000], resolution([TCP], OUTSIDE, [4], 64_000), 4_096],
    ["many datagrams of one search count as a handshake", [82_000], resolution([MTU], OUTSIDE), 4_096],
    [
      "the node's own interface has no budget, because it costs no other host anything",
      [1_000],
      resolution([{ probe: "link" }], TUNNEL),
      20_000,
    ],
    ["a cadence that spares a rate limit is never shortened", [6_000], resolution([REFUSAL], INSIDE, [6], 6_000), 2],
    [
      "a proxy bears 500 connections a second",
      [16_400, 16_400],
      resolution([TCP, TCP], OUTSIDE, [4], 1_000, PROXY),
      4_096,
    ],
    ["a fleet is counted up to a power of two", [8_200], resolution([TCP], OUTSIDE), 2_049],
  ])("%s", (_, wanted, given, fleetSize) => {
    expect(cadences(paced(given, fleetSize))).toEqual(wanted);
  });

  it("keeps every endpoint within its budget whatever the fleet's size", () => {
    const kinds = fc.subarray([TCP, TLS, GRPC], { minLength: 1 });
    fc.assert(
      fc.property(
        kinds,
        fc.constantFrom<IpFamily[]>([4], [4, 6]),
        fc.integer({ min: 1, max: 20_000 }),
        (options, families, size) => {
          const { rows } = paced(resolution(options, OUTSIDE, families), size);
          const spent = { connectPerS: 0, handshakePerS: 0 };
          for (const row of rows) {
            if (row.kind !== "targets") continue;
            for (const { options: of, cadenceMs } of row.targets) {
              spent[of.probe === "tcp" ? "connectPerS" : "handshakePerS"] += (size * 1_000) / cadenceMs;
            }
          }
          expect(spent.connectPerS).toBeLessThanOrEqual(DEFAULT_BUDGETS.connectPerS);
          expect(spent.handshakePerS).toBeLessThanOrEqual(DEFAULT_BUDGETS.handshakePerS);
        },
      ),
    );
  });
});
