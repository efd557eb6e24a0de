import { manualClock } from "@lifeline/measure";
import { RpcError, RpcStatus } from "@lifeline/rpc";
import { queryPb } from "@lifeline/wire";
import { describe, expect, it } from "vitest";
import { MET_ROW, NOW_MS, type Queries, UNKNOWN_ROW, UNMET_ROW } from "./testing/collector.ts";
import { runAgainst } from "./testing/run-cli.ts";

const { Verdict } = queryPb;
const generatedUnixMs = BigInt(NOW_MS);
const options = { env: { NO_COLOR: "1" }, terminal: { columns: 120, rows: 40 } };

const NODE = {
  nodeId: "worker-1",
  hostname: "w1",
  agentVersion: "0.1.0",
  connected: true,
  firstSeenUnixMs: BigInt(NOW_MS - 86_400_000),
  lastReportUnixMs: BigInt(NOW_MS - 900),
  metRows: 1,
  unmetRows: 1,
  verdict: Verdict.UNMET,
};
const INCIDENT = {
  id: 7n,
  nodeId: "worker-1",
  requirementId: "node-discovery",
  targetId: "node-discovery|tls|discovery.talos.dev:443|ipv4",
  verdict: Verdict.UNMET,
  cause: "timeout",
  startUnixMs: BigInt(NOW_MS - 12_000),
  evidence: "10 of 10 went unanswered",
  nextStep: "open it",
};
const BOOT = {
  bootId: new Uint8Array(16).fill(0xab),
  firstSequence: 1n,
  lastSequence: 9n,
  reports: 8n,
  windows: 80n,
  missingReports: 1n,
  duplicateReports: 2n,
};

describe("lifeline nodes", () => {
  const listNodes: Queries["listNodes"] = async () => ({ generatedUnixMs, nodes: [NODE, NEW_NODE] });
  const NEW_NODE = { nodeId: "worker-2", verdict: Verdict.UNKNOWN };

  it("shows each node, and never a time that is not known", async () => {
    const { out, exitCode } = await runAgainst(["nodes"], { listNodes }, options);
    expect(out).toBe(`\
NODE      HOSTNAME  VERDICT    MET  DEGRADED  UNMET  UNKNOWN  CONNECTED  LAST REPORT
worker-1  w1        ✗ unmet      1         0      1        0  yes                0 s
worker-2  —         ? unknown    0         0      0        0  no                   —
`);
    expect(exitCode).toBe(1);
  });

  it("prints the same as JSON", async () => {
    const { out } = await runAgainst(["nodes", "--json"], { listNodes });
    const { generatedAt, nodes } = JSON.parse(out);
    expect(generatedAt).toBe("2026-03-01T12:00:00.000Z");
    expect(nodes[1]).toMatchObject({ node: "worker-2", verdict: "unknown", lastReport: null, firstSeen: null });
  });

  it.each([
    ["every node is met", [{ ...NODE, verdict: Verdict.MET }], 0],
    ["one is not", [NODE], 1],
    ["there is none (M4)", [], 1],
  ])("exit code when %s", async (_, nodes, expected) => {
    const { exitCode } = await runAgainst(["nodes"], { listNodes: async () => ({ generatedUnixMs, nodes }) });
    expect(exitCode).toBe(expected);
  });
});

describe("lifeline node", () => {
  const rows = [MET_ROW, UNMET_ROW];
  const getNode: Queries["getNode"] = async () => ({
    generatedUnixMs,
    node: NODE,
    rows,
    incidents: [INCIDENT],
    boots: [BOOT],
  });

  it("shows its rows, incidents, and what has arrived of each boot", async () => {
    const { out, exitCode } = await runAgainst(["node", "worker-1"], { getNode }, options);
    expect(out).toBe(`\
worker-1 (w1): connected, last report 0 s ago, agent 0.1.0

REQUIREMENT     TARGET                   PROBE  VERDICT  CAUSE     FAIL       LOSS (95 %)        P50/P95/MAX  SINCE
machine-api     omni.example.com:8090    grpc   ✓ met              0/10      0 % (0–28 %)  12.3/15.1/20.4 ms    1 h
node-discovery  discovery.talos.dev:443  tls    ✗ unmet  timeout  10/10  100 % (72–100 %)                  —   12 s

1 of 2 required rows met · 1 unmet

✗ node-discovery discovery.talos.dev:443: 10 of 10 went unanswered within 950 ms → let the node reach
    discovery.talos.dev on 443/TCP

Incidents
ID  NODE      REQUIREMENT     VERDICT  CAUSE    START                     LASTED  FAIL  EVIDENCE
 7  worker-1  node-discovery  ✗ unmet  timeout  2026-03-01T11:59:48Z  12 s, open     —  10 of 10 went unanswered

Reports by boot of the agent
BOOT      SEQUENCES  REPORTS  WINDOWS  MISSING  TWICE
abababab  1–9              8       80        1      2
`);
    expect(exitCode).toBe(1);
  });

  it("tells what is known of the UDP port, loss each way, and which way a target is reached", async () => {
    const port = { ...UNKNOWN_ROW, ipVersion: 4, endpoint: "10.0.0.1:50180", udpEvidence: "confirmed" };
    const directions = { forwardSent: 120n, forwardLost: 3n, returnSent: 117n, returnLost: 0n };
    const answer: Queries["getNode"] = async () => ({
      generatedUnixMs,
      node: NODE,
      rows: [
        { ...MET_ROW, requirementId: "node-ghcr", endpoint: "ghcr.io:443", probe: "tls", proxy: "10.0.0.8:3128" },
        { ...UNMET_ROW, requirementId: "node-ghcr", endpoint: "ghcr.io:443", required: false, comparison: true },
        { ...port, verdict: Verdict.MET, cause: "none", nextStep: "" },
        { ...port, probe: "stamp", verdict: Verdict.MET, cause: "none", nextStep: "", directions },
      ],
    });
    const { out, exitCode } = await runAgainst(["node", "worker-1"], { getNode: answer }, options);
    expect(out).toBe(`\
worker-1 (w1): connected, last report 0 s ago, agent 0.1.0

REQUIREMENT         TARGET              PROBE  VERDICT  CAUSE           FAIL       LOSS (95 %)        P50/P95/MAX  SINCE
node-ghcr           ghcr.io:….0.8:3128  tls    ✓ met                    0/10      0 % (0–28 %)  12.3/15.1/20.4 ms    1 h
node-ghcr           ghcr.io:…compared)  tls    ✗ unmet  timeout        10/10  100 % (72–100 %)                  —   12 s
siderolink-endpoi…  10.0.0.1:50180      udp    ✓ met    UDP confirmed      —                 —                  —      —
siderolink-endpoi…  10.0.0.1:50180      stamp  ✓ met    UDP confirmed      —                 —                  —      —

3 of 3 required rows met

UDP port, and packets lost each way
REQUIREMENT          TARGET          PROBE  UDP PORT   LOST FORWARD  LOST ON RETURN
siderolink-endpoint  10.0.0.1:50180  udp    confirmed             —               —
siderolink-endpoint  10.0.0.1:50180  stamp  confirmed         3/120           0/117

No incidents.
`);
    expect(exitCode).toBe(0);
    const wide = await runAgainst(["node", "worker-1", "--output", "wide"], { getNode: answer }, options);
    const [, , header = "", ...table] = wide.out.split("\n");
    expect(header).toMatch(/CAUSE +UDP PORT +SENT .* LOST FORWARD +LOST ON RETURN +P50/);
    expect(table[3]).toMatch(/ confirmed .* 3\/120 +0\/117 /);
    expect(table[0]).toContain("ghcr.io:443 via 10.0.0.8:3128 ");
    expect(table[1]).toContain("ghcr.io:443 (compared) ");
    expect(wide.out).not.toContain("packets lost each way");
  });

  it("judges by the rows that --only leaves", async () => {
    const { out, exitCode } = await runAgainst(["node", "worker-1", "--only", "machine-*", "--json"], { getNode });
    expect(JSON.parse(out).rows.map((row: { requirement: string }) => row.requirement)).toEqual(["machine-api"]);
    expect(exitCode).toBe(0);
  });

  it("names the nodes that are close to one it does not know", async () => {
    const unknown = async () => {
      throw new RpcError(RpcStatus.NOT_FOUND, "no such node");
    };
    const listNodes = async () => ({ generatedUnixMs, nodes: [NODE] });
    const { err, exitCode } = await runAgainst(["node", "worker-7"], { getNode: unknown, listNodes });
    expect(err).toBe("error: the collector knows no node 'worker-7'; the closest: worker-1\n");
    expect(exitCode).toBe(2);
  });
});

describe("lifeline incidents", () => {
  const worstMinute = { startUnixMs: BigInt(NOW_MS - 60_000), attempts: 25n, failures: 20n };
  const cost = { attempts: 30n, failures: 25n, worstMinute };
  const ended = { ...INCIDENT, id: 6n, endUnixMs: BigInt(NOW_MS - 2_000), ...cost };

  it("shows what lasts and what has ended, and exits 1 while one lasts", async () => {
    const listIncidents = async () => ({ generatedUnixMs, incidents: [INCIDENT, ended] });
    const { out, exitCode } = await runAgainst(["incidents"], { listIncidents }, options);
    expect(out).toBe(`\
ID  NODE      REQUIREMENT     VERDICT  CAUSE    START                     LASTED   FAIL  EVIDENCE
 7  worker-1  node-discovery  ✗ unmet  timeout  2026-03-01T11:59:48Z  12 s, open      —  10 of 10 went unanswered
 6  worker-1  node-discovery  ✗ unmet  timeout  2026-03-01T11:59:48Z        10 s  25/30  10 of 10 went unanswered
`);
    expect(exitCode).toBe(1);
    const json = JSON.parse((await runAgainst(["incidents", "--json"], { listIncidents }, options)).out);
    expect(json.incidents[1]).toMatchObject({
      lastedMs: 10_000,
      attempts: 30,
      failures: 25,
      worstMinute: { start: "2026-03-01T11:59:00.000Z", attempts: 25, failures: 20 },
    });
  });

  it("exits 0 when all have ended, and says so when there is none", async () => {
    const list = (incidents: (typeof ended)[]) => ({ listIncidents: async () => ({ generatedUnixMs, incidents }) });
    expect((await runAgainst(["incidents"], list([ended]))).exitCode).toBe(0);
    expect(await runAgainst(["incidents"], list([]))).toEqual({ out: "No incidents.\n", err: "", exitCode: 0 });
  });

  it("hands node, openness and age on to the collector", async () => {
    let asked: unknown;
    const listIncidents: Queries["listIncidents"] = async ({ nodeId, openOnly, sinceUnixMs }) => {
      asked = { nodeId, openOnly, isAnHourAgo: Math.abs(Number(sinceUnixMs) - (Date.now() - 3_600_000)) < 60_000 };
      return { generatedUnixMs, incidents: [] };
    };
    await runAgainst(["incidents", "--node", "worker-1", "--open", "--since", "1h"], { listIncidents });
    expect(asked).toEqual({ nodeId: "worker-1", openOnly: true, isAnHourAgo: true });
  });
});

describe("lifeline history", () => {
  const HOUR_MS = 3_600_000;
  const point = (hour: number, lost: bigint, p95Ms: number) => ({
    startUnixMs: BigInt(NOW_MS + hour * HOUR_MS),
    ended: 3_600n,
    failed: lost,
    sent: 3_600n,
    lost,
    lossRatio: Number(lost) / 3_600,
    rttP50Ns: 12_300_000n,
    rttP95Ns: BigInt(p95Ms * 1_000_000),
    rttMaxNs: 99_900_000n,
  });
  const dead = { ...point(-1, 3_600n, 0), rttP50Ns: undefined, rttP95Ns: undefined, rttMaxNs: undefined };
  const TARGET = { requirementId: "machine-api", targetId: "machine-api|grpc|omni.example.com:8090|ipv4" };
  const SILENT = {
    requirementId: "siderolink-endpoint",
    targetId: "siderolink-endpoint|udp|10.0.0.1:50180|ipv4",
    points: [{ startUnixMs: BigInt(NOW_MS - HOUR_MS), sent: 60n, silent: 60n }],
  };
  const listHistory: Queries["listHistory"] = async () => ({
    generatedUnixMs,
    stepSeconds: 3_600,
    targets: [{ ...TARGET, points: [point(-6, 0n, 20), point(-5, 1n, 15), dead] }, SILENT],
  });

  it("shows each target step by step, and a gap as a gap (M4)", async () => {
    const { out, exitCode } = await runAgainst(["history", "worker-1"], { listHistory }, options);
    expect(out).toBe(`\
worker-1, 1 h a line, times are its own clock's in UTC

machine-api grpc omni.example.com:8090 ipv4: 3601 of 10800 lost (33 %)
TIME              SENT  LOST       FAIL     LOSS      P50      P95      MAX  P95 OF 20.0 ms
2026-03-01 06:00  3600     0     0/3600      0 %  12.3 ms  20.0 ms  99.9 ms  ████████████████████
2026-03-01 07:00  3600     1     1/3600  0.028 %  12.3 ms  15.0 ms  99.9 ms  ███████████████
2026-03-01 08:00     —     —          —        —        —        —        —  no data for 3 h
2026-03-01 11:00  3600  3600  3600/3600    100 %        —        —        —

siderolink-endpoint udp 10.0.0.1:50180 ipv4
TIME              SENT  LOST  FAIL  LOSS  P50  P95  MAX
2026-03-01 11:00    60     0     —     —    —    —    —
`);
    expect(exitCode).toBe(0);
  });

  it.each([100, 80, 60, 40])("keeps within %i columns", async (columns) => {
    const { out } = await runAgainst(
      ["history", "worker-1"],
      { listHistory },
      { ...options, terminal: { columns, rows: 40 } },
    );
    const body = out.split("\n").filter((line) => /^(TIME|2026)/.test(line));
    expect(Math.max(...body.map((line) => line.length))).toBeLessThanOrEqual(columns);
    // The bar goes before any figure is cut.
    expect(body[0]?.includes("P95 OF")).toBe(columns === 100);
    if (columns > 60) expect(body[0]).toContain("MAX");
  });

  it("prints the same as JSON, CSV and Markdown, with null where nothing is known", async () => {
    const print = async (format: string) =>
      (await runAgainst(["history", "worker-1", "--output", format], { listHistory }, options)).out;
    const { targets, stepSeconds } = JSON.parse(await print("json"));
    expect([stepSeconds, targets.length]).toEqual([3_600, 2]);
    expect(targets[0].points[1]).toEqual({
      start: "2026-03-01T07:00:00.000Z",
      ended: 3_600,
      failed: 1,
      sent: 3_600,
      lost: 1,
      late: 0,
      silent: 0,
      notSent: 0,
      lossRatio: 1 / 3_600,
      rttMs: { p50: 12.3, p95: 15, max: 99.9 },
    });
    expect(targets[1].points[0]).toMatchObject({ lossRatio: null, rttMs: { p50: null, p95: null, max: null } });
    const csv = (await print("csv")).split("\r\n");
    expect(csv[0]).toBe(
      "node,requirement,targetId,start,stepSeconds,ended,failed,sent,lost,late,silent,notSent,lossRatio,rttP50Ms,rttP95Ms,rttMaxMs",
    );
    expect(csv[4]).toBe(
      "worker-1,siderolink-endpoint,siderolink-endpoint|udp|10.0.0.1:50180|ipv4,2026-03-01T11:00:00.000Z,3600,0,0,60,0,0,60,0,,,,",
    );
    expect(await print("markdown")).toContain(
      "| `machine-api grpc omni.example.com:8090 ipv4` | 2026-03-01 07:00 | 3600 | 1 | 1/3600 | 0.028 % | 12.3 ms | 15.0 ms | 99.9 ms |\n",
    );
    expect(await print("wide")).toMatch(/LOST +LATE +SILENT +NOT SENT +FAIL +LOSS/);
  });

  it("hands node, pattern, times and step on, and asks on from where an answer was cut, at the same step", async () => {
    const asked: unknown[] = [];
    const cutting: Queries["listHistory"] = async ({ nodeId, only, fromUnixMs, toUnixMs, stepSeconds }) => {
      asked.push([nodeId, only, Number(fromUnixMs) - NOW_MS, Number(toUnixMs) - NOW_MS, stepSeconds]);
      const isFirst = asked.length === 1;
      const points = [point(isFirst ? -6 : -5, 0n, 20)];
      const answer = { generatedUnixMs, stepSeconds: 60, targets: [{ ...TARGET, points }] };
      return isFirst ? { ...answer, continueFromUnixMs: BigInt(NOW_MS - 5 * HOUR_MS) } : answer;
    };
    const times = ["--from", "6h", "--to", "2026-03-01T12:30:00+01:00"];
    const argv = ["history", "worker-1", "--only", "machine-*", ...times, "--json"];
    const { out } = await runAgainst(argv, { listHistory: cutting }, { clock: manualClock(NOW_MS) });
    expect(asked).toEqual([
      ["worker-1", "machine-*", -6 * HOUR_MS, -HOUR_MS / 2, 0],
      ["worker-1", "machine-*", -5 * HOUR_MS, -HOUR_MS / 2, 60],
    ]);
    expect(JSON.parse(out).targets[0].points).toHaveLength(2);
  });

  it("requests the given step, and the last day by default", async () => {
    const asked: unknown[] = [];
    const empty: Queries["listHistory"] = async ({ fromUnixMs, toUnixMs, stepSeconds }) => {
      asked.push([Number(fromUnixMs) - NOW_MS, toUnixMs, stepSeconds]);
      return { generatedUnixMs, stepSeconds };
    };
    for (const step of [[], ["--step", "10s"], ["--step", "1m"], ["--step", "1h"]])
      await runAgainst(["history", "worker-1", ...step], { listHistory: empty }, { clock: manualClock(NOW_MS) });
    expect(asked).toEqual([0, 10, 60, 3_600].map((stepSeconds) => [-24 * HOUR_MS, 0n, stepSeconds]));
  });

  it("says when there is none, and names the requirements close to a pattern that matches none", async () => {
    const none: Queries["listHistory"] = async ({ only }) => ({
      generatedUnixMs,
      stepSeconds: 3_600,
      targets: only === "" ? [{ ...TARGET, points: [point(-1, 0n, 1)] }] : [],
    });
    const empty: Queries["listHistory"] = async () => ({ generatedUnixMs, stepSeconds: 10 });
    expect(await runAgainst(["history", "worker-1"], { listHistory: empty })).toEqual({
      out: "No history of worker-1 in this time.\n",
      err: "",
      exitCode: 0,
    });
    const { err, exitCode } = await runAgainst(["history", "worker-1", "--only", "machine-ap"], { listHistory: none });
    expect(err).toBe("error: --only: 'machine-ap' matches no requirement; the closest: machine-api\n");
    expect(exitCode).toBe(2);
  });

  it("says what the collector cannot tell now, and which nodes are close to one it does not know", async () => {
    const failing = (code: RpcError["code"]) => async () => {
      throw new RpcError(code, "want 10 for now");
    };
    const listNodes = async () => ({ generatedUnixMs, nodes: [NODE] });
    const now = await runAgainst(["history", "worker-1"], { listHistory: failing(RpcStatus.FAILED_PRECONDITION) });
    expect(now.exitCode).toBe(2);
    expect(now.err).toMatch(/^error: the collector at \S+ cannot do this: want 10 for now\n$/);
    const unknown = await runAgainst(["history", "worker-7"], { listHistory: failing(RpcStatus.NOT_FOUND), listNodes });
    expect(unknown.err).toBe("error: the collector knows no node 'worker-7'; the closest: worker-1\n");
  });
});
