import type { ResolvedRow } from "@lifeline/catalogue";
import type { Evidence, Reason, Target } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import type { NodeContext } from "./node-context.ts";
import {
  closedPort,
  judgeRows,
  LINK,
  MTU,
  NOW_MS,
  rowOf,
  STAMP,
  TCP,
  targetOf,
  UDP,
  windowsOf,
} from "./testing/judgement-fixture.ts";

const api = targetOf(TCP, { requirementId: "api" });
const AT_PORT = { requirementId: "port", host: "10.0.0.1", port: 50_180 };
const [port, stamp, mtu] = [targetOf(UDP, AT_PORT), targetOf(STAMP, AT_PORT), targetOf(MTU, AT_PORT)];
const INSIDE = { requirementId: "in", host: "fdae::1", port: 9 };
const tcp = targetOf({ probe: "tcp", acceptReset: true }, INSIDE);
const [small, large] = [targetOf(closedPort(16), INSIDE), targetOf(closedPort(1_232), INSIDE)];
const link = targetOf(LINK, { requirementId: "link", host: "siderolink", port: 0 });
/** Thirty samples; the last `bad` of them are not `good`. */
function turn(good: Reason, reason: Reason, bad = 5): Reason[] {
  return Array.from({ length: 30 }, (_, at) => (at < 30 - bad ? good : reason));
}
const OK = turn("answered", "answered");
const LOST = turn("answered", "timeout");
const SILENT = turn("silent", "silent");

/** Samples of a target, one a second; the last ended `agoMs` before now. */
type Samples = readonly [Target, readonly Reason[], agoMs?: number, evidence?: Evidence];

function judge(samples: readonly Samples[], context: NodeContext = {}) {
  const services = { api: "machine-api", port: "siderolink", in: "in-tunnel", link: "tunnel-link" } as const;
  const rows = Object.entries(services).flatMap(([id, service]): ResolvedRow[] => {
    const targets = samples.map(([of]) => of).filter(({ requirementId }) => requirementId === id);
    return targets.length === 0 ? [] : [rowOf(targets, { kind: "service", service }, id)];
  });
  const windows = samples.flatMap((of) => windowsOf(...of));
  const judged = judgeRows(rows, windows, { context });
  return (of: Target) => judged.find((row) => row.target?.id === of.id);
}

const receivedAgo = (agoMs: number): NodeContext => ({
  witness: {
    watchingSinceMs: 0,
    reportedAtMs: NOW_MS,
    receivedAtMs: NOW_MS - agoMs,
    receivingSinceMs: 0,
    address: "192.0.2.1",
  },
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
    ["no witness reports", dead(), {}, "udp-blocked", "suspected-blocked"],
    ["the witness receives", dead(), receivedAgo(100), "return-path-blocked", "suspected-blocked"],
    ["the witness does not receive", dead(), receivedAgo(5_000), "forward-path-blocked", "suspected-blocked"],
    ["STAMP answers", stamped, {}, "tunnel-stale", "confirmed"],
    ["STAMP answers and the witness receives", stamped, receivedAgo(100), "tunnel-stale", "confirmed"],
    [
      "STAMP answers and the witness does not receive",
      stamped,
      receivedAgo(5_000),
      "forward-path-blocked",
      "suspected-blocked",
    ],
    ["the endpoint refuses", dead(turn("silent", "refused")), {}, "wrong-endpoint", "refused"],
  ] as const)("%s", (_title, samples, context, cause, udpEvidence) => {
    const row = judge(samples, context);
    expect(row(port)).toMatchObject({ verdict: "unmet", cause, udpEvidence, nextStep: expect.stringContaining(":") });
    expect(row(tcp)).toMatchObject({ verdict: "unmet", followsFrom: port.id });
  });

  it("follows from the Machine API if that fails too", () => {
    const row = judge([
      [api, LOST],
      [port, SILENT],
      [tcp, LOST],
    ]);
    expect(row(port)).toMatchObject({ verdict: "unknown", cause: "no-evidence", followsFrom: api.id });
    expect(row(tcp)?.followsFrom).toBe(api.id);
  });

  it("shows even if only the interface is frozen", () => {
    const row = judge([
      [api, OK],
      [port, SILENT],
      [link, turn("link-alive", "link-frozen")],
    ]);
    expect(row(port)?.cause).toBe("udp-blocked");
    expect(row(link)?.followsFrom).toBe(port.id);
  });
});

it("names the path's MTU if only large datagrams are lost", () => {
  const row = judge([
    [api, OK],
    [port, SILENT],
    [tcp, OK],
    [small, OK, 3_000],
    [large, LOST],
  ]);
  expect(row(large)).toMatchObject({ verdict: "unmet", cause: "path-mtu" });
  expect(row(port)).toMatchObject({ verdict: "met", udpEvidence: "confirmed" });
});

it("names no MTU if the small ones are lost too", () => {
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
])("names the largest packet that passes if it was measured %s", (_, agoMs, isSaid) => {
  const row = judge([
    [tcp, OK],
    [small, OK, 3_000],
    [large, LOST],
    [mtu, ["answered"], agoMs, { pathMtuBytes: 1_300 }],
  ]);
  expect(row(large)?.cause).toBe("path-mtu");
  expect(row(large)?.evidence.includes("1300 bytes")).toBe(isSaid);
});
