/** `npm run fuzz` as its users run it, for a moment; the long run is theirs. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readArguments } from "./arguments.ts";
import { DECODERS } from "./decoders.ts";
import type { DecoderResult } from "./worker.ts";

async function fuzz(args: readonly string[]) {
  const program = [...process.execArgv, join(import.meta.dirname, "main.ts"), ...args];
  const child = spawn(process.execPath, program, { stdio: ["ignore", "pipe", "inherit"] });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (more: string) => (stdout += more));
  const [status] = (await once(child, "close")) as [number | null];
  return { status, stdout };
}

/** Inputs of each decoder: some twenty seconds for all, most of them for the 41 out of proportion. */
const INPUTS = 2_000;

describe("npm run fuzz", () => {
  it("finds nothing in any decoder", async () => {
    const { status, stdout } = await fuzz(["--inputs", String(INPUTS), "--seed", "1", "--json"]);
    const { results, failures } = JSON.parse(stdout) as { results: DecoderResult[]; failures: unknown[] };
    expect(failures).toEqual([]);
    expect(results.map(({ decoder }) => decoder)).toEqual(DECODERS.map(({ name }) => name));
    for (const { decoder, decoded, refused, growth } of results) {
      expect(decoded + refused, decoder).toBe(INPUTS);
      // If the first check refuses every input, or accepts every input, the code behind it is not tested.
      expect(decoded, decoder).toBeGreaterThan(INPUTS / 20);
      expect(refused, decoder).toBeGreaterThan(INPUTS / 20);
      expect(growth.inputs, decoder).toBeGreaterThan(40);
      expect(growth.inputBytesMost, decoder).toBeGreaterThan(4_000);
    }
    expect(status).toBe(0);
  }, 900_000);
});

describe("its arguments", () => {
  const NAMES = ["report", "window"];

  it("are a number of inputs, a seed and names, each with a default or none", () => {
    const none = { inputs: 100_000, seed: undefined, only: NAMES, json: false };
    expect(readArguments([], NAMES)).toEqual({ kind: "run", config: none });
    const all = ["--inputs", "5", "--seed", "4294967295", "--only", "window", "--only", "report", "--json"];
    const config = { inputs: 5, seed: 4_294_967_295, only: ["window", "report"], json: true };
    expect(readArguments(all, NAMES)).toEqual({ kind: "run", config });
  });

  it.each([
    [["--inputs", "0"], "--inputs: got 0, want an integer from 1 to 1000000000 inputs"],
    [["--inputs", "1e3"], '--inputs: got "1e3", want an integer from 1 to 1000000000 inputs'],
    [["--seed", "x"], '--seed: got "x", want an integer from 0 to 4294967295'],
    [["--only", "report", "--only", "cats"], '--only[1]: got "cats", want one of report, window'],
    [["--for-ever"], "--for-ever"],
  ])("%s is refused", (args, why) => {
    expect(() => readArguments(args, NAMES)).toThrow(why);
  });
});
