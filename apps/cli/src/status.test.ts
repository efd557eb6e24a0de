import { RpcError, RpcStatus } from "@lifeline/rpc";
import { queryPb } from "@lifeline/wire";
import { describe, expect, it } from "vitest";
import { IDLE_ROW, MET_ROW, type Queries, UNKNOWN_ROW, UNMET_ROW, verdicts } from "./testing/collector.ts";
import { runAgainst } from "./testing/run-cli.ts";

const all = async () => verdicts(MET_ROW, UNMET_ROW, UNKNOWN_ROW, IDLE_ROW);
const plain = { NO_COLOR: "1" };
const terminal = (columns: number) => ({ env: plain, terminal: { columns, rows: 50 } });

describe("lifeline status", () => {
  it("shows each row with verdict, cause, loss with its interval, latency and age, then what to do (J2)", async () => {
    const { out, err, exitCode } = await runAgainst(["status"], { listVerdicts: all }, terminal(140));
    expect(out).toBe(`\
REQUIREMENT          TARGET                   PROBE  VERDICT    CAUSE         FAIL       LOSS (95 %)        P50/P95/MAX  SINCE
machine-api          omni.example.com:8090    grpc   ✓ met                    0/10      0 % (0–28 %)  12.3/15.1/20.4 ms    1 h
node-discovery       discovery.talos.dev:443  tls    ✗ unmet    timeout      10/10  100 % (72–100 %)                  —   12 s
siderolink-endpoint  [2001:db8::10]:50180     udp    ? unknown  no-evidence      —                 —                  —      —

1 of 3 required rows met · 1 unmet · 1 unknown · 1 not applicable (--output wide shows them)

✗ node-discovery discovery.talos.dev:443: 10 of 10 went unanswered within 950 ms → let the node reach discovery.talos.dev on 443/TCP
? siderolink-endpoint [2001:db8::10]:50180: 10 datagrams went out and WireGuard need not answer → run a STAMP reflector beside Omni
`);
    expect(err).toBe("");
    expect(exitCode).toBe(1);
  });

  it("fits 80 columns by cutting texts, never figures, and keeps the port of a target and the probe", async () => {
    const { out } = await runAgainst(["status"], { listVerdicts: all }, terminal(80));
    expect(out).toBe(`\
REQUIREMENT  TARGET        PROBE VERDICT   CAUSE        FAIL  LOSS     P95 SINCE
machine-api  omni.e…m:8090 grpc  ✓ met                  0/10   0 % 15.1 ms   1 h
node-discov… discov…ev:443 tls   ✗ unmet   timeout     10/10 100 %       —  12 s
siderolink-… [2001:…:50180 udp   ? unknown no-evidence     —     —       —     —

1 of 3 required rows met · 1 unmet · 1 unknown · 1 not applicable (--output wide
shows them)

✗ node-discovery discovery.talos.dev:443: 10 of 10 went unanswered within
    950 ms → let the node reach discovery.talos.dev on 443/TCP
? siderolink-endpoint [2001:db8::10]:50180: 10 datagrams went out and
    WireGuard need not answer → run a STAMP reflector beside Omni
`);
  });

  it("tells the rows of one endpoint of several nodes apart at 80 columns", async () => {
    const probes = ["tcp", "tls", "registry"].map((probe) => ({ ...UNMET_ROW, probe }));
    const degraded = { ...MET_ROW, nodeId: "worker-2", verdict: queryPb.Verdict.DEGRADED };
    const { out } = await runAgainst(
      ["status"],
      { listVerdicts: async () => verdicts(...probes, degraded) },
      terminal(80),
    );
    const [header = "", ...rows] = out.split("\n").slice(0, 5);
    expect(header).toMatch(/ PROBE +VERDICT .* SINCE$/);
    const at = header.indexOf("PROBE");
    expect(rows.map((row) => row.slice(at).split(" ")[0])).toEqual(["tcp", "tls", "registry", "grpc"]);
    expect(rows.map((row) => row.split(/ +/).slice(-2).join(" "))).toEqual(["12 s", "12 s", "12 s", "1 h"]);
  });

  it("shows every row and the time itself when wide", async () => {
    const { out } = await runAgainst(["status", "--output", "wide"], { listVerdicts: all }, terminal(80));
    const lines = out.split("\n");
    expect(lines[1]).toContain("1 h (2026-03-01T11:00:00.000Z)");
    expect(lines[4]).toContain("omni-vault");
    expect(lines[4]).toContain("· n/a");
  });

  it("counts notes, and shows each once with its requirements when wide, in Markdown and in JSON", async () => {
    const sampled = "*.test can only be sampled; it is judged by a.test";
    const rows = [
      { ...MET_ROW, notes: [sampled, "not measured over IPv6: no route"] },
      { ...UNMET_ROW, notes: ["not measured over IPv6: no route"] },
    ];
    const listVerdicts = async () => verdicts(...rows);
    const { out } = await runAgainst(["status"], { listVerdicts }, terminal(140));
    expect(out).toContain("1 of 2 required rows met · 1 unmet · 2 notes (--output wide shows them)\n");
    const wide = await runAgainst(["status", "--output", "wide"], { listVerdicts });
    expect(wide.out).toContain(
      `\nnote: ${sampled} (machine-api)\nnote: not measured over IPv6: no route (machine-api, node-discovery)\n`,
    );
    const markdown = await runAgainst(["status", "--output", "markdown"], { listVerdicts });
    expect(markdown.out).toContain("- note: `not measured over IPv6: no route` (machine-api, node-discovery)");
    const json = await runAgainst(["status", "--json"], { listVerdicts });
    expect(JSON.parse(json.out).rows[0].notes).toEqual(rows[0]?.notes);
  });

  it("says why, where no row applies", async () => {
    const { out, exitCode } = await runAgainst(["status"], { listVerdicts: async () => verdicts(IDLE_ROW) });
    expect(out).toContain(`omni-vault does not apply: ${IDLE_ROW.evidence}.`);
    expect(out.startsWith("0 of 0 required rows met")).toBe(true);
    expect(exitCode).toBe(1);
  });

  it("names the node of each row as soon as there are two", async () => {
    const rows = [MET_ROW, { ...MET_ROW, nodeId: "worker-2" }];
    const { out, exitCode } = await runAgainst(["status"], { listVerdicts: async () => verdicts(...rows) });
    expect(
      out
        .split("\n")
        .slice(0, 3)
        .map((line) => line.slice(0, 22)),
    ).toEqual(["NODE      REQUIREMENT ", "worker-1  machine-api ", "worker-2  machine-api "]);
    expect(exitCode).toBe(0);
  });

  it("prints exactly one JSON object, names and units as documented", async () => {
    const { out, err } = await runAgainst(["--json", "status"], { listVerdicts: all });
    const { generatedAt, rows } = JSON.parse(out);
    expect(err).toBe("");
    expect(generatedAt).toBe("2026-03-01T12:00:00.000Z");
    expect(rows).toHaveLength(4);
    expect(rows[0]).toEqual({
      node: "worker-1",
      requirement: "machine-api",
      required: true,
      target: "omni.example.com:8090",
      probe: "grpc",
      ipVersion: 4,
      proxy: null,
      comparison: false,
      verdict: "met",
      cause: null,
      udpEvidence: null,
      ended: 10,
      failed: 0,
      sent: 10,
      lost: 0,
      late: 0,
      silent: 0,
      notSent: 0,
      lossRatio: 0,
      lossInterval: [0, 0.2775],
      directions: null,
      rttMs: { p50: 12.3, p95: 15.1, max: 20.4 },
      since: "2026-03-01T11:00:00.000Z",
      evidence: "10 of 10 answered",
      nextStep: null,
      notes: [],
    });
    expect(rows[2]).toMatchObject({
      target: "[2001:db8::10]:50180",
      cause: "no-evidence",
      lossRatio: null,
      lossInterval: [0, 1],
      rttMs: { p50: null, p95: null, max: null },
      since: null,
    });
    expect(rows[3]).toMatchObject({ target: null, probe: null, verdict: "not-applicable", cause: null });
  });

  it("counts in parts that add up to their totals: required rows, optional ones, and those that do not apply", async () => {
    const optional = { obligation: queryPb.Obligation.OPTIONAL, required: false };
    const compared = { ...UNMET_ROW, required: false, comparison: true };
    const rows = [MET_ROW, UNMET_ROW, UNKNOWN_ROW, { ...UNMET_ROW, ...optional }, { ...MET_ROW, ...optional }];
    const listVerdicts = async () => verdicts(...rows, compared, IDLE_ROW);
    const { out } = await runAgainst(["status"], { listVerdicts }, terminal(200));
    expect(out).toContain(
      "\n1 of 3 required rows met · 1 unmet · 1 unknown · 2 optional rows: 1 met, 1 unmet · 1 not applicable (",
    );
  });

  it("shows the failures of a row that loses nothing", async () => {
    const refused = { ...UNMET_ROW, lost: 0n, lossRatio: 0, lossRatioLow: 0, lossRatioHigh: 0.2775, cause: "refused" };
    const { out } = await runAgainst(["status"], { listVerdicts: async () => verdicts(refused) }, terminal(140));
    expect(out.split("\n")[1]).toMatch(/ refused +10\/10 +0 % /);
  });

  it("prints CSV of RFC 4180: quoted where it must be, CRLF, empty for null", async () => {
    const row = { ...UNMET_ROW, evidence: 'said "no", twice' };
    const { out } = await runAgainst(["status", "--output", "csv"], { listVerdicts: async () => verdicts(row) });
    expect(out).toBe(
      "node,requirement,required,target,probe,ipVersion,proxy,comparison,verdict,cause,udpEvidence,ended,failed,sent,lost,late,silent,notSent,lossRatio," +
        "lossRatioLow,lossRatioHigh,forwardSent,forwardLost,returnSent,returnLost,rttP50Ms,rttP95Ms,rttMaxMs,since,evidence,nextStep\r\n" +
        "worker-1,node-discovery,true,discovery.talos.dev:443,tls,4,,false,unmet,timeout,,10,10,10,10,0,0,0,1,0.7225,1,,,,,,,," +
        '2026-03-01T11:59:48.000Z,"said ""no"", twice",let the node reach discovery.talos.dev on 443/TCP\r\n',
    );
  });

  it("prints Markdown in which evidence is code, in the table and in what is to be done", async () => {
    const row = { ...UNMET_ROW, evidence: "a|b [c](d)" };
    const { out } = await runAgainst(["status", "--output", "markdown"], { listVerdicts: async () => verdicts(row) });
    expect(out.split("\n")[2]?.endsWith("| `a`&#124;`b [c](d)` |")).toBe(true);
    expect(out.trimEnd().split("\n").at(-1)).toBe(
      "- ✗ `node-discovery discovery.talos.dev:443`: `a`&#124;`b [c](d)` → `let the node reach discovery.talos.dev on 443/TCP`",
    );
  });

  it("shows control characters of evidence as visible text, so that evidence cannot control the terminal", async () => {
    const row = { ...UNMET_ROW, evidence: "\u001b[2Jissuer\r\n" };
    const { out } = await runAgainst(["status"], { listVerdicts: async () => verdicts(row) });
    expect(out).toContain("\\u{1B}[2Jissuer\\u{D}\\u{A} →");
    expect(out).not.toContain("\u001b");
  });

  it.each([
    ["a terminal", { terminal: { columns: 120, rows: 9 } }, [], true],
    ["a pipe", {}, [], false],
    ["NO_COLOR", { terminal: { columns: 120, rows: 9 }, env: { NO_COLOR: "1" } }, [], false],
    [
      "an empty NO_COLOR, which counts as none",
      { terminal: { columns: 120, rows: 9 }, env: { NO_COLOR: "" } },
      [],
      true,
    ],
    ["--no-color", { terminal: { columns: 120, rows: 9 } }, ["--no-color"], false],
    ["TERM=dumb", { terminal: { columns: 120, rows: 9 }, env: { TERM: "dumb" } }, [], false],
  ])("colours or not: %s", async (_, options, flags, coloured) => {
    const { out } = await runAgainst(["status", ...flags], { listVerdicts: all }, options);
    expect(out.includes("\u001b[")).toBe(coloured);
  });

  const { Verdict } = queryPb;
  it.each([
    ["all required rows met", [MET_ROW, IDLE_ROW], 0],
    ["an optional row unmet", [MET_ROW, { ...UNMET_ROW, required: false }], 0],
    ["a required row unmet", [MET_ROW, UNMET_ROW], 1],
    ["a required row degraded", [{ ...MET_ROW, verdict: Verdict.DEGRADED }], 1],
    ["a required row unknown, which is no pass (M4)", [MET_ROW, UNKNOWN_ROW], 1],
    ["a verdict of a newer collector, which reads as unknown (M4)", [{ ...MET_ROW, verdict: 99 as 0 }], 1],
    ["no row that counts (M4)", [IDLE_ROW], 1],
    ["no row at all (M4)", [], 1],
  ])("exit code with %s", async (_, rows, expected) => {
    const { exitCode } = await runAgainst(["status"], { listVerdicts: async () => verdicts(...rows) });
    expect(exitCode).toBe(expected);
  });

  it("follows pages to their end, and hands node and pattern on", async () => {
    const asked: unknown[] = [];
    const listVerdicts: Queries["listVerdicts"] = async ({ pageToken, only, nodeId, pageSize }) => {
      asked.push({ pageToken, only, nodeId, pageSize });
      return { ...verdicts(MET_ROW), nextPageToken: pageToken === "" ? "second" : "" };
    };
    const { out } = await runAgainst(["status", "--only", "machine-*", "--node", "worker-1", "--json"], {
      listVerdicts,
    });
    const same = { only: "machine-*", nodeId: "worker-1", pageSize: 1_000 };
    expect(asked).toEqual([
      { ...same, pageToken: "" },
      { ...same, pageToken: "second" },
    ]);
    expect(JSON.parse(out).rows).toHaveLength(2);
  });

  it("leaves a collector whose list never ends (S2)", async () => {
    const endless = async () => ({ ...verdicts(), nextPageToken: "again" });
    const { err, exitCode } = await runAgainst(["status"], { listVerdicts: endless });
    expect(err).toBe("error: the collector has more than 0 entries; narrow it by node, pattern or time\n");
    expect(exitCode).toBe(2);
  });

  it("says which ids are close when the pattern matches none", async () => {
    const listVerdicts: Queries["listVerdicts"] = async ({ only }) =>
      only === "" ? verdicts(MET_ROW, UNMET_ROW, UNKNOWN_ROW) : verdicts();
    const { err, out, exitCode } = await runAgainst(["status", "--only", "machin-api"], { listVerdicts });
    expect(err).toBe("error: --only: 'machin-api' matches no requirement; the closest: machine-api\n");
    expect(out).toBe("");
    expect(exitCode).toBe(2);
  });
});

describe("a call that fails", () => {
  const failing = (code: number, message: string) => async () => {
    throw new RpcError(code, message);
  };
  it.each([
    ["UNAVAILABLE", RpcStatus.UNAVAILABLE, 3, "cannot be reached: because"],
    ["INTERNAL", RpcStatus.INTERNAL, 3, "cannot be reached: because"],
    ["UNIMPLEMENTED", RpcStatus.UNIMPLEMENTED, 3, "is not a Lifeline collector, or an older one"],
    ["PERMISSION_DENIED", RpcStatus.PERMISSION_DENIED, 2, "refuses this to a client without credentials: because"],
    ["UNAUTHENTICATED", RpcStatus.UNAUTHENTICATED, 2, "needs credentials: because\nuse a token (--token-file"],
    ["FAILED_PRECONDITION", RpcStatus.FAILED_PRECONDITION, 2, "cannot do this: because"],
    ["RESOURCE_EXHAUSTED", RpcStatus.RESOURCE_EXHAUSTED, 3, "is overloaded: because\ntry again later"],
    ["INVALID_ARGUMENT", RpcStatus.INVALID_ARGUMENT, 2, "error: because"],
    ["NOT_FOUND", RpcStatus.NOT_FOUND, 2, "error: because"],
  ])("%s", async (_, code, expected, message) => {
    const { err, out, exitCode } = await runAgainst(["status"], { listVerdicts: failing(code, "because") });
    expect(err).toContain(message);
    expect(out).toBe("");
    expect(exitCode).toBe(expected);
  });
});
