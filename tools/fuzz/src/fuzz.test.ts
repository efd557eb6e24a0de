/** `npm run fuzz` as its users run it, for a moment; the long run is theirs. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DECODERS } from "./decoders.ts";
import type { DecoderResult } from "./worker.ts";

async function fuzz(args: readonly string[]) {
  const program = [...process.execArgv, join(import.meta.dirname, "main.ts"), ...args];
  const child = spawn(process.execPath, program, { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (more: string) => (stdout += more));
  child.stderr.setEncoding("utf8").on("data", (more: string) => (stderr += more));
  const [status] = (await once(child, "close")) as [number | null];
  return { status, stdout, stderr };
}

/** Inputs of each decoder: some eight seconds for all. */
const INPUTS = 2_000;

describe("npm run fuzz", () => {
  it("finds nothing in any decoder", async () => {
    const { status, stdout } = await fuzz(["--inputs", String(INPUTS), "--seed", "1", "--json"]);
    const { results, failures } = JSON.parse(stdout) as { results: DecoderResult[]; failures: unknown[] };
    expect(failures).toEqual([]);
    expect(results.map(({ decoder }) => decoder)).toEqual(DECODERS.map(({ name }) => name));
    for (const { decoder, decoded, refused } of results) {
      expect(decoded + refused, decoder).toBe(INPUTS);
      // Inputs that are all refused at the door, or all let in, test nothing behind it.
      expect(decoded, decoder).toBeGreaterThan(INPUTS / 20);
      expect(refused, decoder).toBeGreaterThan(INPUTS / 20);
    }
    expect(status).toBe(0);
  }, 120_000);

  it.each([
    [["--inputs", "0"], "--inputs: got '0', want an integer from 1 to 1000000000"],
    [["--seed", "x"], "--seed: got 'x', want an integer from 0 to 4294967295"],
    [["--only", "report,cats"], "--only: got 'cats', want some of report, window,"],
    [["--for-ever"], "--for-ever"],
  ])("%s is refused before anything is decoded", async (args, why) => {
    const { status, stdout, stderr } = await fuzz(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toContain(why);
  });
});
