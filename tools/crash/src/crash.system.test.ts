/** A few rounds of `npm run crash`, as people run it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { CrashResult } from "./rounds.ts";

async function crash(args: readonly string[]) {
  const program = [...process.execArgv, join(import.meta.dirname, "main.ts"), ...args];
  const child = spawn(process.execPath, program, { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (more: string) => (stdout += more));
  child.stderr.setEncoding("utf8").on("data", (more: string) => (stderr += more));
  const [status] = (await once(child, "close")) as [number | null];
  return { status, stdout, stderr };
}

describe("npm run crash", () => {
  it("loses nothing that was sealed, and counts nothing twice (U1)", async () => {
    const { status, stdout, stderr } = await crash(["--rounds", "12", "--seed", "3", "--json"]);
    expect(stderr).toContain("crash: 12 rounds (seed 3)");
    expect(stderr).toMatch(/This takes about \d+ s: /);
    expect(stderr).toMatch(/round 12 of 12, [a-z-]+; \d+ s elapsed, about \d+ s left/);
    expect(stderr).toContain("enrolment 3 of 3; ");
    const result = JSON.parse(stdout) as CrashResult;
    expect(result).toMatchObject({ rounds: 12, lost: 0, duplicated: 0, examples: [] });
    expect(result.identity).toMatchObject({ enrolments: 3, enrolled: 3, extraUses: 0 });
    expect(result.sealed).toBeGreaterThan(12);
    expect(result.stored).toBeGreaterThanOrEqual(result.sealed);
    expect(status).toBe(0);
  }, 600_000);

  it.each([
    [["--rounds", "0"], "--rounds: got 0, want an integer from 1 to 100000 rounds"],
    [["--rounds", "many"], '--rounds: got "many", want an integer from 1 to 100000 rounds'],
    [["--seed", "-1"], "--seed"],
    [["--for-ever"], "--for-ever"],
  ])("%s is refused before anything starts", async (args, why) => {
    const { status, stdout, stderr } = await crash(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toContain(why);
  });
});
