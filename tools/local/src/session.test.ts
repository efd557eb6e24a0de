/**
 * The main job as a user runs it: real processes from the build, on loopback, the stand-in Omni as the peer. Only rows of the stand-in
 * are measured, so nothing leaves this host.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { fetchIncidents, fetchStatus, openCollector, type ScreenWorld, type StatusJson } from "@lifeline/cli";
import { type FaultRequest, requestFault } from "@lifeline/lab";
import { pause, systemClock } from "@lifeline/measure";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readArguments } from "./arguments.ts";
import { type House, openHouse } from "./house.ts";
import { runLocal } from "./session.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-local-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function screen() {
  const said = { stdout: "", stderr: "" };
  const output = (name: keyof typeof said) => ({
    write: async (text: string) => {
      said[name] += text;
    },
    isTTY: false,
    columns: () => undefined,
    rows: () => undefined,
  });
  const interrupt = new AbortController();
  const world: ScreenWorld = {
    stdout: output("stdout"),
    stderr: output("stderr"),
    env: {},
    clock: systemClock,
    interrupt: interrupt.signal,
  };
  return { world, said, interrupt };
}

async function withHouse(args: readonly string[], use: (house: House) => Promise<void>): Promise<void> {
  const house = await openHouse({
    wanted: readArguments(args),
    directory,
    clock: systemClock,
    signal: new AbortController().signal,
  });
  try {
    await house.planned();
    await use(house);
  } finally {
    await house.stop();
  }
}

/** Waits until every row of the house that a probe of `probes` makes is as asked; the time it took in ms. */
async function until(house: House, verdict: string, cause: string | null, withinMs: number): Promise<number> {
  const client = await openCollector(house.collector);
  const startedNs = systemClock.monotonicNs();
  const tookMs = () => (systemClock.monotonicNs() - startedNs) / 1e6;
  try {
    for (;;) {
      const { rows } = await fetchStatus(client);
      const applicable = rows.filter((row) => row.verdict !== "not-applicable");
      if (applicable.length > 0 && applicable.every((row) => row.verdict === verdict && row.cause === cause))
        return tookMs();
      if (tookMs() > withinMs) {
        throw new Error(
          `not ${verdict}/${cause} within ${withinMs} ms: ${JSON.stringify(applicable.map((row) => [row.probe, row.verdict, row.cause]))}`,
        );
      }
      await pause(systemClock, 50);
    }
  } finally {
    client.close();
  }
}

const labFault = (house: House, request: FaultRequest) => requestFault(house.labControl ?? "", request);

describe("npm start -- --json", () => {
  it("prints one object of the promised shape, exits 0 when every required row is met, and leaves nothing behind", async () => {
    const { world, said } = screen();
    const code = await runLocal(["--json", "--seconds", "4", "--only", "*api*"], world);
    expect(said.stderr).toBe("");
    const printed = JSON.parse(said.stdout) as StatusJson;
    const met = printed.rows.filter(({ verdict }) => verdict === "met");
    expect(met.map(({ requirement, probe }) => `${requirement} ${probe}`)).toEqual([
      "api-endpoint tcp",
      "api-endpoint tls",
      "api-endpoint http",
      "machine-api tcp",
      "machine-api tls",
      "machine-api grpc",
    ]);
    expect(new Set(printed.rows.map(({ verdict }) => verdict))).toEqual(new Set(["met", "not-applicable"]));
    for (const row of met) {
      expect(row.target).toMatch(/^omni\.lab\.test:\d+$/);
      expect(row).toMatchObject({ cause: null, lost: 0, notSent: 0, lossRatio: 0 });
      expect(row.sent).toBeGreaterThanOrEqual(3);
      expect(row.lossInterval[0]).toBe(0);
      expect(row.rttMs.p50).toBeGreaterThan(0);
      expect(Date.parse(row.since ?? "")).not.toBeNaN();
    }
    expect(code).toBe(0);
  }, 30_000);

  it.each([
    { args: ["--onse"], stderr: /^npm start: --onse: unknown option/ },
    {
      args: ["--only", "machine-ap"],
      stderr: /^npm start: --only: 'machine-ap' matches no requirement; the closest: machine-api/,
    },
    { args: ["--omni", "acme"], stderr: /^npm start: command line: omni\.api: got "acme", want an https URL/ },
    {
      args: ["--omni", "https://o.example", "--siderolink", "o.example"],
      stderr: /omni\.siderolink\[0\]: got "o\.example", want host:port/,
    },
    {
      args: ["--omni", "https://o.example", "--ca-file", "/nonexistent.pem"],
      stderr: /^npm start: --ca-file: \/nonexistent\.pem cannot be read \(ENOENT\)/,
    },
  ])("exits 2 for $args and says what is wrong before anything starts", async ({ args, stderr }) => {
    const { world, said } = screen();
    expect(await runLocal(args, world)).toBe(2);
    expect(said.stderr).toMatch(stderr);
    expect(said.stdout).toBe("");
  });

  it("ends cleanly when interrupted while it measures", async () => {
    const { world, interrupt, said } = screen();
    const run = runLocal(["--json", "--only", "machine-api"], world);
    setTimeout(() => interrupt.abort(), 2_500);
    expect(await run).toBe(130);
    expect(said.stdout).toBe("");
  }, 30_000);
});

describe("a fault at the stand-in", () => {
  it("is seen, named and over within five seconds each, and the incidents have their true times", async () => {
    await withHouse(["--only", "machine-api"], async (house) => {
      await until(house, "met", null, 15_000);
      const truth: { fault: string; fromMs: number; toMs: number }[] = [];
      for (const [fault, cause] of [
        ["refuse", "refused"],
        ["drop", "timeout"],
      ] as const) {
        const fromMs = systemClock.wallMs();
        await labFault(house, { listener: "machine-api", fault });
        await until(house, "unmet", cause, 5_000);
        const toMs = systemClock.wallMs();
        await labFault(house, { listener: "machine-api", fault: "none" });
        await until(house, "met", null, 5_000);
        truth.push({ fault, fromMs, toMs });
      }
      const client = await openCollector(house.collector);
      const { incidents } = await fetchIncidents(client, {});
      client.close();
      // Three probes of the listener, two faults; each began within a cadence of the fault and ended within one of its end.
      expect(incidents.filter(({ endUnixMs }) => endUnixMs === undefined)).toEqual([]);
      for (const { fault, fromMs, toMs } of truth) {
        const cause = fault === "refuse" ? "refused" : "timeout";
        const own = incidents.filter(
          (incident) => incident.cause === cause && Number(incident.startUnixMs) >= fromMs - 50,
        );
        expect(own.length, fault).toBe(3);
        for (const { startUnixMs, endUnixMs } of own) {
          expect(Number(startUnixMs) - fromMs).toBeLessThan(1_500);
          expect(Number(endUnixMs)).toBeGreaterThanOrEqual(toMs - 50);
          expect(Number(endUnixMs) - toMs).toBeLessThan(1_500);
        }
      }
    });
  }, 60_000);
});

describe("kill -9 of the collector", () => {
  it("loses no window and counts none twice (U1)", async () => {
    await withHouse(["--only", "machine-api", "--restart-after", "4"], async (house) => {
      const collector = house.parts.find(({ name }) => name === "collector");
      await pause(systemClock, 4_000);
      process.kill(collector?.pid() ?? 0, "SIGKILL");
      await pause(systemClock, 3_000);
      expect(collector?.pid()).toBeUndefined();
      await pause(systemClock, 12_000);
      expect(collector?.restarts()).toBe(1);
      await house.stopAgent();
      const client = await openCollector(house.collector);
      const { nodes } = await client.unary("listNodes", {}, { timeoutMs: 5_000 });
      const { boots } = await client.unary("getNode", { nodeId: nodes[0]?.nodeId ?? "" }, { timeoutMs: 5_000 });
      client.close();
      expect(boots).toHaveLength(1);
      const [boot] = boots;
      expect(boot).toMatchObject({ firstSequence: 1n, missingReports: 0n });
      expect(boot?.reports).toBe(boot?.lastSequence);
    });
    const database = new DatabaseSync(join(directory, "store", "collector.db"), { readOnly: true });
    const windows = database
      .prepare("SELECT target, start_ms, end_ms FROM windows ORDER BY target, start_ms, end_ms")
      .all() as {
      target: number;
      start_ms: number;
      end_ms: number;
    }[];
    database.close();
    expect(windows.length).toBeGreaterThan(9);
    // A window follows the one before it: an overlap would be one counted twice, a gap of a cadence or more one that is missing.
    const gapsMs = windows.flatMap((window, at) => {
      const before = windows[at - 1];
      return before?.target === window.target ? [window.start_ms - before.end_ms] : [];
    });
    expect(Math.min(...gapsMs)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...gapsMs)).toBeLessThan(1_000);
  }, 60_000);
});

describe("--state-dir", () => {
  it("is used again after a run that was killed, without believing what it left behind", async () => {
    const args = ["--json", "--seconds", "3", "--only", "machine-api", "--state-dir", directory];
    writeFileSync(join(directory, "lab.json"), JSON.stringify({ pid: 2 ** 22 + 1, listeners: [], caPem: "" }));
    writeFileSync(
      join(directory, "collector.ready.json"),
      JSON.stringify({ pid: 2 ** 22 + 1, grpcPort: 1, httpPort: 1 }),
    );
    const { world, said } = screen();
    expect(await runLocal(args, world)).toBe(0);
    expect(said.stderr).toBe("");
  }, 30_000);

  it("is refused while another run holds it", async () => {
    writeFileSync(join(directory, "lab.json"), JSON.stringify({ pid: process.pid, listeners: [], caPem: "" }));
    const { world, said } = screen();
    expect(await runLocal(["--json", "--only", "machine-api", "--state-dir", directory], world)).toBe(126);
    expect(said.stderr).toBe(
      `npm start: --state-dir: "${directory}" is in use by process ${process.pid}; want one of its own\n`,
    );
  });
});

describe("a part whose starter is gone", () => {
  it("ends by itself", async () => {
    const program = resolve(import.meta.dirname, "../dist/main.js");
    const run = promisify(execFile);
    const started = run(process.execPath, [
      program,
      "--once",
      "--only",
      "machine-api",
      "--seconds",
      "60",
      "--state-dir",
      directory,
    ]);
    started.catch(() => {});
    const logs = () =>
      existsSync(join(directory, "agent.log")) ? readFileSync(join(directory, "agent.log"), "utf8") : "";
    for (let waitedMs = 0; waitedMs < 15_000 && !logs().includes("plan applied"); waitedMs += 100)
      await pause(systemClock, 100);
    started.child.kill("SIGKILL");
    for (let waitedMs = 0; waitedMs < 10_000 && !logs().includes("agent stopped"); waitedMs += 100)
      await pause(systemClock, 100);
    expect(logs()).toContain("agent stopped");
    expect(readFileSync(join(directory, "lab.log"), "utf8")).toContain('"disconnect"');
  }, 40_000);
});
