import { writeFileSync } from "node:fs";
import { type ProbeOptions, TUNNEL_LINK } from "@lifeline/measure";
import { CA_PEM } from "@lifeline/measure/testing";
import { makePlan } from "@lifeline/wire";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { scratch, tcpTarget } from "../testing/fixtures.ts";
import { loadCachedPlan, planCachePath, storeCachedPlan } from "./plan-cache.ts";
import { parsePlan } from "./plan-file.ts";

const privateTrust = { kind: "private", caPem: CA_PEM } as const;
const machineApi = { method: "/s.S/M", status: 12, message: "unknown * S" };
const everyOptions: readonly ProbeOptions[] = [
  { probe: "tcp", acceptReset: true },
  { probe: "tls", trust: { kind: "public" }, alpn: ["h2"], alpnRequired: true },
  {
    probe: "http",
    trust: privateTrust,
    expect: { method: "GET", path: "/healthz", version: "2", statuses: [200] },
    documentedHosts: ["*.cdn.example"],
  },
  { probe: "http", expect: { method: "HEAD", path: "/", version: "1.1", statuses: [], body: "empty" } },
  { probe: "grpc", trust: privateTrust, expect: machineApi },
  {
    probe: "registry",
    trust: privateTrust,
    expect: {
      basePath: "/v2/proxy-ghcr.io",
      object: "siderolabs/kubelet/manifests/v1.34.0",
      objectRequired: false,
      namespace: "ghcr.io",
      documentedHosts: ["*.githubusercontent.com", "ghcr.io"],
    },
  },
  { probe: "dns", query: "omni.example", transport: "udp", type: "A" },
  { probe: "udp", payloadBytes: 6, expectRefusal: false },
  { probe: "udp", payloadBytes: 1_232, expectRefusal: true },
  { probe: "stamp", authenticated: false },
  { probe: "stamp", authenticated: true },
  { probe: "mtu", authenticated: true, requiredBytes: 1_360 },
];
const tunnel = { host: TUNNEL_LINK, family: 6, options: { probe: "link" } } as const;
const proxied = {
  proxy: { host: "proxy.example", port: 3_128 },
  options: { probe: "grpc", expect: machineApi },
} as const;
const plan = makePlan([
  ...everyOptions.map((options, at) => tcpTarget(1_000 + at, { options })),
  tcpTarget(0, tunnel),
  tcpTarget(443, proxied),
]);

const httpOptions = (path: string) => ({
  probe: "http",
  expect: { method: "GET", path, version: "1.1", statuses: [] },
});

describe("a plan as a document", () => {
  it("reads back every kind of target, with the revision of its content", () => {
    expect(parsePlan(JSON.parse(JSON.stringify(plan)), "plan")).toEqual(plan);
    const withoutIds = plan.targets.map(({ id: _, ...target }) => target);
    expect(parsePlan({ targets: withoutIds }, "plan")).toEqual(plan);
  });

  const target = { ...tcpTarget(1) };
  const { id: _id, ...targetWithoutId } = target;
  it.each([
    ["a field too many", { ...target, retries: 3 }, "targets[0].retries: got an unknown key, want one of id,"],
    [
      "an option too many",
      { ...target, options: { probe: "stamp", authenticated: true, key: 1 } },
      "targets[0].options.key",
    ],
    [
      "an unknown probe",
      { ...target, options: { probe: "ping" } },
      'targets[0].options.probe: got "ping", want options of a probe',
    ],
    [
      "an id that is not the target's",
      { ...target, id: "x" },
      `targets[0].id: got "x", want test|tcp|127.0.0.1:1|ipv4`,
    ],
    ["a port out of range", { ...tcpTarget(70_000) }, 'targets[0].port: got "70000", want an integer from 1 to 65535'],
    ["a cadence out of range", { ...target, cadenceMs: 5 }, "targets[0].cadence_ms"],
    ["a fraction", { ...target, timeoutMs: 0.5 }, "targets[0].timeoutMs: got 0.5, want an integer"],
    [
      "a path with a space",
      { ...targetWithoutId, options: httpOptions("/a b") },
      'targets[0].http.path: got "/a b", want a path that begins with /',
    ],
    ["a third family", { ...target, family: 5 }, "targets[0].family: got 5, want 4 or 6"],
  ])("is refused as a whole: %s", (_, bad, message) => {
    expect(() => parsePlan({ targets: [bad] }, "plan.yaml")).toThrow(`plan.yaml: ${message}`);
  });

  it("is refused when a target comes twice", () => {
    expect(() => parsePlan({ targets: [target, target] }, "plan.yaml")).toThrow("want each target once");
  });
});

describe("the cached plan", () => {
  let place: ReturnType<typeof scratch>;
  beforeEach(() => {
    place = scratch();
  });
  afterEach(() => place.remove());

  it("reads back as it was stored, with its revision", async () => {
    expect(loadCachedPlan(place.path)).toEqual({ kind: "none" });
    await storeCachedPlan(place.path, { ...plan, revision: "of the collector" });
    expect(loadCachedPlan(place.path)).toEqual({ kind: "plan", plan: { ...plan, revision: "of the collector" } });
  });

  it("is unusable when it is damaged", () => {
    writeFileSync(planCachePath(place.path), '{"targets": [{}]}');
    expect(loadCachedPlan(place.path)).toMatchObject({ kind: "unusable" });
    writeFileSync(planCachePath(place.path), "{");
    expect(loadCachedPlan(place.path)).toMatchObject({ kind: "unusable" });
  });
});
