/**
 * `npm start` as a user runs it: real processes from the build, on loopback, with the stand-in Omni. Only rows of the
 * stand-in are measured, so nothing leaves this host.
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
import { LocalStack } from "./local-stack.ts";
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

async function withStack(args: readonly string[], use: (stack: LocalStack) => Promise<void>): Promise<void> {
  const command = readArguments(args);
  if (command.kind === "print") throw new TypeError(command.text);
  const stack = await LocalStack.start({
    wanted: command.config,
    directory,
    clock: systemClock,
    signal: new AbortController().signal,
  });
  try {
    await stack.planned();
    await use(stack);
  } finally {
    await stack.stop();
  }
}

/** Limit of each wait, ms: only a failure reaches it. */
const WAIT_MAX_MS = 120_000;

/** Of a test: longer than all its waits on an idle machine, by far. */
const TEST_MAX_MS = 300_000;

/** Polls until `ask` returns a value. Throws after {@link WAIT_MAX_MS}, with the text of `describe`. */
async function until<T>(ask: () => Promise<T | undefined>, describe: () => string): Promise<T> {
  const lastNs = systemClock.monotonicNs() + WAIT_MAX_MS * 1e6;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (systemClock.monotonicNs() > lastNs) throw new Error(`not within ${WAIT_MAX_MS} ms: ${describe()}`);
    await pause(systemClock, 50);
  }
}

/** Waits until every row that applies has this verdict and cause. Resolves with the wall time, ms. */
async function untilVerdict(stack: LocalStack, verdict: string, cause: string | null): Promise<number> {
  const client = await openCollector(stack.collector);
  let seen = "";
  const ask = async () => {
    const rows = (await fetchStatus(client)).rows.filter((row) => row.verdict !== "not-applicable");
    seen = JSON.stringify(rows.map((row) => [row.probe, row.verdict, row.cause]));
    const isSo = rows.length > 0 && rows.every((row) => row.verdict === verdict && row.cause === cause);
    return isSo ? systemClock.wallMs() : undefined;
  };
  try {
    return await until(ask, () => `${verdict}/${cause}: ${seen}`);
  } finally {
    client.close();
  }
}

/** Waits until the file has this text. */
const untilLogged = (name: string, text: string) =>
  until(
    async () => (logOf(name).includes(text) ? true : undefined),
    () => `"${text}" in ${name}: ${logOf(name).slice(-500)}`,
  );

function logOf(name: string): string {
  const path = join(directory, name);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

const labFault = (stack: LocalStack, request: FaultRequest) => requestFault(stack.labControl ?? "", request);

describe("npm start -- --json", () => {
  it(
    "prints one object of the documented shape, and exits 0 when every required row is met",
    async () => {
      const { world, said } = screen();
      const code = await runLocal(["--json", "--seconds", "8", "--only", "*api*"], world);
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
    },
    TEST_MAX_MS,
  );

  it.each([
    { args: ["--onse"], stderr: /^npm start: command line: got Unknown option '--onse'/ },
    {
      args: ["--only", "machine-ap"],
      stderr: /^npm start: --only: 'machine-ap' matches no requirement; the closest: machine-api/,
    },
    {
      args: ["--omni", "ftp://acme"],
      stderr: /^npm start: command line: omni\.api: got "ftp:\/\/acme", want an https URL/,
    },
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

  it(
    "ends cleanly when interrupted while it measures",
    async () => {
      const { world, interrupt, said } = screen();
      const run = runLocal(["--json", "--only", "machine-api", "--seconds", "3600", "--state-dir", directory], world);
      await untilLogged("agent.log", "plan applied");
      interrupt.abort();
      expect(await run).toBe(130);
      expect(said.stdout).toBe("");
    },
    TEST_MAX_MS,
  );
});

/** How far the clocks of agent and test may differ, ms: they read one clock, the agent to the millisecond. */
const CLOCK_MS = 50;

describe("a fault at the stand-in", () => {
  it(
    "has an incident that begins and ends between the fault and what the collector says of it",
    async () => {
      await withStack(["--only", "machine-api"], async (stack) => {
        await untilVerdict(stack, "met", null);
        const faults = [];
        for (const [fault, cause] of [
          ["refuse", "refused"],
          ["drop", "timeout"],
        ] as const) {
          const injectedMs = systemClock.wallMs();
          await labFault(stack, { listener: "machine-api", fault });
          const unmetMs = await untilVerdict(stack, "unmet", cause);
          const clearedMs = systemClock.wallMs();
          await labFault(stack, { listener: "machine-api", fault: "none" });
          const metMs = await untilVerdict(stack, "met", null);
          faults.push({ cause, injectedMs, unmetMs, clearedMs, metMs });
        }
        const client = await openCollector(stack.collector);
        const { incidents } = await fetchIncidents(client, {});
        client.close();
        expect(incidents.filter(({ endUnixMs }) => endUnixMs === undefined)).toEqual([]);
        for (const { cause, injectedMs, unmetMs, clearedMs, metMs } of faults) {
          const own = incidents.filter(({ cause: of, startUnixMs }) => {
            return of === cause && Number(startUnixMs) >= injectedMs - CLOCK_MS;
          });
          // The listener has three probes.
          expect(own.length, cause).toBe(3);
          for (const { startUnixMs, endUnixMs } of own) {
            expect(Number(startUnixMs)).toBeLessThanOrEqual(unmetMs + CLOCK_MS);
            expect(Number(endUnixMs)).toBeGreaterThanOrEqual(clearedMs - CLOCK_MS);
            expect(Number(endUnixMs)).toBeLessThanOrEqual(metMs + CLOCK_MS);
          }
        }
      });
    },
    TEST_MAX_MS,
  );
});

/** The boots of the one node. */
async function bootsOf(stack: LocalStack) {
  const client = await openCollector(stack.collector);
  try {
    const { nodes } = await client.unary("listNodes", {}, { timeoutMs: 30_000 });
    return (await client.unary("getNode", { nodeId: nodes[0]?.nodeId ?? "" }, { timeoutMs: 30_000 })).boots;
  } finally {
    client.close();
  }
}

/** Waits until the collector has this many reports of the node. */
async function untilStored(stack: LocalStack, reports: bigint): Promise<void> {
  let stored = 0n;
  const ask = async () => {
    // The query fails while the collector starts.
    stored = (await bootsOf(stack).catch(() => []))[0]?.reports ?? 0n;
    return stored >= reports ? true : undefined;
  };
  await until(ask, () => `${reports} reports, got ${stored}`);
}

describe("kill -9 of the collector", () => {
  it(
    "loses no window and counts none twice (U1)",
    async () => {
      await withStack(["--only", "machine-api", "--restart-after", "4"], async (stack) => {
        const collector = stack.parts.find(({ name }) => name === "collector");
        await untilStored(stack, 2n);
        process.kill(collector?.pid() ?? 0, "SIGKILL");
        await until(
          async () => (collector?.pid() === undefined ? true : undefined),
          () => "the collector is killed",
        );
        await until(
          async () => (collector?.restarts() === 1 ? true : undefined),
          () => "the collector starts again",
        );
        await untilStored(stack, 5n);
        await stack.stopAgent();
        const boots = await bootsOf(stack);
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
      // A window follows the one before it: an overlap would be one counted twice, a gap of a cadence or more one that
      // is missing.
      const gapsMs = windows.flatMap((window, at) => {
        const before = windows[at - 1];
        return before?.target === window.target ? [window.start_ms - before.end_ms] : [];
      });
      expect(Math.min(...gapsMs)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...gapsMs)).toBeLessThan(1_000);
    },
    TEST_MAX_MS,
  );
});

describe("--state-dir", () => {
  it(
    "is used again after a run that was killed, and its ready files do not count",
    async () => {
      const args = ["--json", "--seconds", "3", "--only", "machine-api", "--state-dir", directory];
      writeFileSync(join(directory, "lab.json"), JSON.stringify({ pid: 2 ** 22 + 1, listeners: [], caPem: "" }));
      writeFileSync(
        join(directory, "collector.ready.json"),
        JSON.stringify({ pid: 2 ** 22 + 1, grpcPort: 1, httpPort: 1 }),
      );
      const { world, said } = screen();
      expect(await runLocal(args, world)).toBe(0);
      expect(said.stderr).toBe("");
    },
    TEST_MAX_MS,
  );

  it("is refused while another run holds it", async () => {
    writeFileSync(join(directory, "lab.json"), JSON.stringify({ pid: process.pid, listeners: [], caPem: "" }));
    const { world, said } = screen();
    expect(await runLocal(["--json", "--only", "machine-api", "--state-dir", directory], world)).toBe(126);
    expect(said.stderr).toBe(
      `npm start: --state-dir: "${directory}" is in use by process ${process.pid}; want one of its own\n`,
    );
  });
});

describe("a program whose starter is killed", () => {
  it(
    "ends by itself",
    async () => {
      const program = resolve(import.meta.dirname, "../dist/main.js");
      const args = ["--once", "--only", "machine-api", "--seconds", "3600", "--state-dir", directory];
      const started = promisify(execFile)(process.execPath, [program, ...args]);
      started.catch(() => {});
      await untilLogged("agent.log", "plan applied");
      started.child.kill("SIGKILL");
      await untilLogged("agent.log", "agent stopped");
      await untilLogged("lab.log", '"disconnect"');
    },
    TEST_MAX_MS,
  );
});
