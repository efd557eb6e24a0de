import type { Requirement, ResolvedRow, Service } from "@lifeline/catalogue";
import { type ProbeOptions, type Reason, type Sample, type Target, targetId } from "@lifeline/measure";
import { followRun, type Run, type Window, windowOf } from "@lifeline/window";
import { describe, expect, it } from "vitest";
import { judgeNode } from "./judge-node.ts";
import type { NodeContext } from "./node-context.ts";
import { DEFAULT_THRESHOLDS } from "./thresholds.ts";

const NOW_MS = Date.UTC(2026, 7, 1, 12, 0, 0);
const requirement = (id: string, service: Service): Requirement => ({
  id,
  purpose: "test",
  source: { document: "d", version: "v1", section: "s" },
  from: "talos-node",
  deployments: ["on-prem"],
  obligation: "required",
  protocol: "udp",
  port: 1,
  place: { kind: "service", service },
  published: null,
  effective: { value: "v", evidence: ["e"] },
  probes: [],
});

function target(requirementId: string, options: ProbeOptions, host: string, port: number): Target {
  const base = { requirementId, options, host, port, family: 4 as const, cadenceMs: 1_000, timeoutMs: 950 };
  return { id: targetId(base), ...base };
}

const api = target("api", { probe: "tcp", acceptReset: false }, "omni.test", 443);
const port = target("port", { probe: "udp", payloadBytes: 16, expectRefusal: false }, "10.0.0.1", 50180);
const stamp = target("port", { probe: "stamp", authenticated: false }, "10.0.0.1", 50180);
const tcp = target("in", { probe: "tcp", acceptReset: true }, "fdae::1", 8090);
const small = target("in", { probe: "udp", payloadBytes: 16, expectRefusal: true }, "fdae::1", 9);
const large = target("in", { probe: "udp", payloadBytes: 1232, expectRefusal: true }, "fdae::1", 9);
const mtu = target("port", { probe: "mtu", authenticated: false, requiredBytes: 1_360 }, "10.0.0.1", 50180);
const link = target("link", { probe: "link" }, "siderolink", 0);

/** Samples of a target, one a second; the last of them `agoMs` before now. */
interface Samples {
  readonly agoMs?: number;
  readonly pathMtuBytes?: number;
}

function windowsOf(of: Target, reasons: readonly Reason[], { agoMs = 0, pathMtuBytes }: Samples = {}): Window[] {
  let run: Run | undefined;
  return reasons.map((reason, at) => {
    const endedAtMs = NOW_MS - agoMs - (reasons.length - 1 - at) * 1_000;
    const sample: Sample = {
      targetId: of.id,
      startedAtMs: endedAtMs - 5,
      endedAtMs,
      outcome: { reason, phase: "connect" },
      phases: {},
      evidence: pathMtuBytes === undefined ? {} : { pathMtuBytes },
    };
    const followed = followRun(run, sample);
    run = followed.run;
    return windowOf(followed, endedAtMs - 1_000, endedAtMs);
  });
}

/** Thirty samples; the last `bad` of them are not `good`. */
function turn(good: Reason, reason: Reason, bad = 5): Reason[] {
  return Array.from({ length: 30 }, (_, at) => (at < 30 - bad ? good : reason));
}
const OK = turn("answered", "answered");
const LOST = turn("answered", "timeout");
const SILENT = turn("silent", "silent");

function judge(samples: readonly (readonly [Target, readonly Reason[], Samples?])[], context: NodeContext = {}) {
  const services = { api: "machine-api", port: "siderolink", in: "in-tunnel", link: "tunnel-link" } as const;
  const rows = Object.entries(services).flatMap(([id, service]): ResolvedRow[] => {
    const targets = samples.map(([of]) => of).filter(({ requirementId }) => requirementId === id);
    const row = { requirement: requirement(id, service), kind: "targets", targets } as const;
    return targets.length === 0 ? [] : [{ ...row, comparisonIds: [], skipped: [], notes: [] }];
  });
  const windows = samples.flatMap(([of, reasons, more]) => windowsOf(of, reasons, more));
  const judged = judgeNode({
    resolution: { catalogueVersion: "v1.13", rows },
    windows: (id) => windows.filter(({ targetId: of }) => of === id),
    nowMs: NOW_MS,
    thresholds: DEFAULT_THRESHOLDS,
    context,
  });
  return (of: Target) => judged.find((row) => row.target?.id === of.id);
}

const heardAgo = (agoMs: number): NodeContext => ({
  witness: { watchingSinceMs: 0, reportedAtMs: NOW_MS, receivedAtMs: NOW_MS - agoMs, address: "192.0.2.1" },
});

describe("a dead tunnel", () => {
  const dead = (udp: readonly Reason[] = SILENT) =>
    [
      [api, OK],
      [port, udp],
      [tcp, LOST],
    ] as const;
  const stamped = [...dead(), [stamp, OK]] as const;
  it.each([
    ["nothing tells", dead(), {}, "udp-blocked", "suspected-blocked"],
    ["the witness hears", dead(), heardAgo(100), "return-path-blocked", "suspected-blocked"],
    ["the witness does not hear", dead(), heardAgo(5_000), "forward-path-blocked", "suspected-blocked"],
    ["STAMP answers", stamped, {}, "tunnel-stale", "confirmed"],
    ["STAMP answers and the witness hears", stamped, heardAgo(100), "tunnel-stale", "confirmed"],
    ["only WireGuard vanishes", stamped, heardAgo(5_000), "forward-path-blocked", "suspected-blocked"],
    ["the endpoint refuses", dead(turn("silent", "refused")), {}, "wrong-endpoint", "refused"],
  ] as const)("%s", (_title, samples, context, cause, udpEvidence) => {
    const row = judge(samples, context);
    expect(row(port)).toMatchObject({ verdict: "unmet", cause, udpEvidence, nextStep: expect.stringContaining(":") });
    expect(row(tcp)).toMatchObject({ verdict: "unmet", followsFrom: port.id });
  });

  it("follows from the Machine API where that fails too", () => {
    const row = judge([
      [api, LOST],
      [port, SILENT],
      [tcp, LOST],
    ]);
    expect(row(port)).toMatchObject({ verdict: "unknown", cause: "no-evidence", followsFrom: api.id });
    expect(row(tcp)?.followsFrom).toBe(api.id);
  });

  it("shows by a frozen interface alone", () => {
    const row = judge([
      [api, OK],
      [port, SILENT],
      [link, turn("link-alive", "link-frozen")],
    ]);
    expect(row(port)?.cause).toBe("udp-blocked");
    expect(row(link)?.followsFrom).toBe(port.id);
  });
});

it("names the path's MTU where only large datagrams are lost", () => {
  const row = judge([
    [api, OK],
    [port, SILENT],
    [tcp, OK],
    [small, OK],
    [large, LOST],
  ]);
  expect(row(large)).toMatchObject({ verdict: "unmet", cause: "path-mtu" });
  expect(row(port)).toMatchObject({ verdict: "met", udpEvidence: "confirmed" });
});

it("names no MTU where the small ones are lost too", () => {
  const row = judge([
    [api, OK],
    [port, SILENT],
    [tcp, LOST],
    [small, LOST],
    [large, LOST],
  ]);
  expect(row(large)).toMatchObject({ cause: "timeout", followsFrom: port.id });
});

it.each([
  ["since the fault began", 0, true],
  ["before it", 10_000, false],
])("says the largest packet that passes where it was measured %s", (_, agoMs, isSaid) => {
  const row = judge([
    [tcp, OK],
    [small, OK],
    [large, LOST],
    [mtu, ["answered"], { agoMs, pathMtuBytes: 1_300 }],
  ]);
  expect(row(large)?.cause).toBe("path-mtu");
  expect(row(large)?.evidence.includes("1300 bytes")).toBe(isSaid);
});
