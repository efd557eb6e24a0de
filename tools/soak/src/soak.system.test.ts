/** `npm run soak` as people run it, ended by Ctrl-C. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readArguments } from "./arguments.ts";
import type { SoakResult } from "./soak.ts";

/** Runs the program; sends SIGINT once it has printed `untilSaid`. */
async function runSoak(args: readonly string[], untilSaid?: RegExp) {
  const program = [...process.execArgv, join(import.meta.dirname, "main.ts"), ...args];
  const child = spawn(process.execPath, program, { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  let isInterrupted = false;
  child.stdout.setEncoding("utf8").on("data", (more: string) => (stdout += more));
  child.stderr.setEncoding("utf8").on("data", (more: string) => {
    stderr += more;
    // Once: a second signal ends the program before it has printed its result.
    if (!isInterrupted && untilSaid?.test(stderr)) isInterrupted = child.kill("SIGINT");
  });
  const [status] = (await once(child, "close")) as [number | null];
  return { status, stdout };
}

function isAlive(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    // ESRCH: there is none.
    return false;
  }
}

/** The first reading by which each kind of load has done something: on a busy machine that is not the first one. */
const WORKED = /; [1-9]\d* reports acknowledged, [1-9]\d* queries, [1-9]\d* scrapes/;

describe("npm run soak", () => {
  it("runs both under load, and prints its results when a signal stops it", async () => {
    const { status, stdout } = await runSoak(["--minutes", "5", "--json"], WORKED);
    const { pids, unexpectedExits, load, samples, trends } = JSON.parse(stdout) as SoakResult;
    expect(unexpectedExits).toEqual({});
    expect(samples.length).toBeGreaterThanOrEqual(1);
    expect(load.streams).toBeGreaterThanOrEqual(20);
    expect(load.acknowledged).toBeGreaterThan(0);
    expect(load.queries).toBeGreaterThan(0);
    expect(load.scrapes).toBeGreaterThan(0);
    expect(load.refused).toBe(0);
    expect(trends.agent.rssMb?.least).toBeGreaterThan(10);
    expect(trends.collector.threads?.least).toBeGreaterThan(1);
    expect(status).toBe(0);
    expect(pids.collector).toBeGreaterThan(0);
    expect([pids.agent, pids.collector].map(isAlive)).toEqual([false, false]);
  }, 600_000);
});

describe("its arguments", () => {
  it("are minutes, and whether the result is JSON", () => {
    expect(readArguments([])).toEqual({ kind: "run", config: { minutes: 10, json: false } });
    expect(readArguments(["--minutes", "0.5", "--json"])).toEqual({
      kind: "run",
      config: { minutes: 0.5, json: true },
    });
  });

  it.each([
    [["--minutes", "0"], '--minutes: got "0", want a number from 0.1 to 10080'],
    [["--minutes", "1h"], '--minutes: got "1h", want a number from 0.1 to 10080'],
    [["--for-ever"], "--for-ever"],
  ])("%s is refused", (args, why) => {
    expect(() => readArguments(args)).toThrow(why);
  });
});
