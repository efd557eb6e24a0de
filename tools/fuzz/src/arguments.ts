/** What the fuzzer is told. */
import { parseArgs } from "node:util";
import { FuzzError } from "./fuzz-error.ts";

export interface Arguments {
  readonly help: boolean;
  /** For each decoder, 1 to 1,000,000,000; default 100,000. */
  readonly inputs: number;
  /** 0 to 4,294,967,295; undefined: one is drawn. */
  readonly seed: number | undefined;
  /** Names of decoders; by default all. */
  readonly only: readonly string[];
  readonly json: boolean;
}

/** How it is used, with the names of the decoders. */
export function usage(names: readonly string[]): string {
  return `npm run fuzz -- [--inputs N] [--seed S] [--only NAME[,NAME …]] [--json]

Gives every decoder inputs that nobody would send: mutations of valid ones that keep their structure, and bytes. Each must be refused or
decoded as the decoder says it does, within its limits, in bounded time and memory, and read back as it was read.

The first 40 inputs and one in 1000 are out of proportion: any field of a message up to two million times, alone and within others, up to
4 MiB; deflate bombs; pieces of documents repeated. What each takes of heap and time for each of its bytes is bounded and shown.

  --inputs N   for each decoder, 1 to 1000000000 (default 100000)
  --seed S     0 to 4294967295: the same seed draws the same inputs
  --only NAME  ${names.join(", ")}
  --json       one JSON object: of each decoder its inputs, refused, decoded, seconds, memory and growth, which is what inputs out of
               proportion took; and every failure

Exit codes: 0 nothing found, 1 a failure, with seed, index and input; 2 wrong arguments.
`;
}

/** @throws FuzzError `usage` */
export function readArguments(args: readonly string[], names: readonly string[]): Arguments {
  const values = parsed(args);
  const inputs = number("--inputs", values.inputs ?? "100000", 1, 1_000_000_000);
  const seed = values.seed === undefined ? undefined : number("--seed", values.seed, 0, 0xffff_ffff);
  const only = values.only?.split(",") ?? names;
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new FuzzError("usage", `--only: got '${unknown}', want some of ${names.join(", ")}`);
  }
  return { help: values.help === true, inputs, seed, only, json: values.json === true };
}

function parsed(args: readonly string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  try {
    return parseArgs({ args: [...args], options: { inputs: text, seed: text, only: text, json: flag, help: flag } })
      .values;
  } catch (error) {
    // Node's own words name the argument.
    throw new FuzzError("usage", error instanceof Error ? error.message : String(error));
  }
}

function number(flag: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d{1,10}$/.test(text) && value >= least && value <= most) return value;
  throw new FuzzError("usage", `${flag}: got '${text}', want an integer from ${least} to ${most}`);
}
