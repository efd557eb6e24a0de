import { describe, expect, it } from "vitest";
import {
  detailOf,
  endpointName,
  PROBE_KINDS,
  type ProbeKind,
  type ProbeOptions,
  requirementIdOf,
  type Target,
  targetId,
  targetPlace,
} from "./target.ts";

const expectation = { method: "GET", path: "/healthz?x=1", version: "2", statuses: [] } as const;

/** One target of each probe, with its id. The type checks that none is missing. */
const TARGETS: Record<ProbeKind, readonly [ProbeOptions, id: string]> = {
  dns: [{ probe: "dns", query: "omni.test", transport: "udp", type: "A" }, "r|dns|h:1/omni.test/A|ipv4"],
  tcp: [{ probe: "tcp", acceptReset: false }, "r|tcp|h:1|ipv4"],
  tls: [{ probe: "tls", trust: { kind: "public" }, alpn: [], alpnRequired: false }, "r|tls|h:1|ipv4"],
  http: [{ probe: "http", expect: expectation }, "r|http|h:1/healthz?x=1|ipv4"],
  grpc: [{ probe: "grpc", expect: { method: "/s.S/M", status: 12, message: "*" } }, "r|grpc|h:1|ipv4"],
  udp: [{ probe: "udp", payloadBytes: 16, expectRefusal: false }, "r|udp|h:1|ipv4"],
  stamp: [{ probe: "stamp", authenticated: false }, "r|stamp|h:1|ipv4"],
  link: [{ probe: "link" }, "r|link|h:1|ipv4"],
  registry: [
    { probe: "registry", expect: { basePath: "/v2", objectRequired: true, documentedHosts: [] } },
    "r|registry|h:1/v2|ipv4",
  ],
  mtu: [{ probe: "mtu", authenticated: false, requiredBytes: 1_360 }, "r|mtu|h:1|ipv4"],
  ntp: [{ probe: "ntp" }, "r|ntp|h:1|ipv4"],
  nts: [{ probe: "nts", trust: { kind: "public" } }, "r|nts|h:1|ipv4"],
};
const at = { requirementId: "r", host: "h", port: 1, family: 4 } as const satisfies Partial<Target>;

describe("a target's id", () => {
  it.each(PROBE_KINDS.map((probe) => ({ probe })))(
    "of $probe names requirement, probe, place and family",
    ({ probe }) => {
      const [options, id] = TARGETS[probe];
      expect(targetId({ ...at, options })).toBe(id);
      expect(requirementIdOf(id)).toBe("r");
    },
  );

  it("differs for small and large datagrams to a closed port", () => {
    expect(detailOf({ probe: "udp", payloadBytes: 16, expectRefusal: true })).toBe("/16");
  });

  it("differs by family and by proxy", () => {
    const [options] = TARGETS.tcp;
    expect(targetId({ ...at, options, family: 6, host: "fdae::1" })).toBe("r|tcp|[fdae::1]:1|ipv6");
    expect(targetId({ ...at, options, proxy: { host: "2001:db8::1", port: 3_128 } })).toBe(
      "r|tcp|h:1|ipv4|via [2001:db8::1]:3128",
    );
  });

  it("is the requirement's id if it has no bar", () => {
    expect(requirementIdOf("machine-api")).toBe("machine-api");
  });
});

it.each([
  [{ host: "omni.test", port: 443 }, "omni.test:443"],
  [{ host: "::1", port: 443 }, "[::1]:443"],
  [{ host: "siderolink", port: 0 }, "siderolink"],
])("a place: %j", (place, text) => {
  expect(targetPlace(place)).toBe(text);
});

it("an endpoint always has its port", () => {
  expect(endpointName("siderolink", 0)).toBe("siderolink:0");
});
