/** The command line: `accuracy|footprint|rollup|connections|spool [--json] [--samples N] [--rtt-ms N] [--seconds N] [--period N] [--targets N]`. Pure. */
import { parseArgs } from "node:util";
import { BenchError } from "./bench-error.ts";
import { PLAN_MAX_TARGETS } from "./spool/default-plan.ts";

/** What was asked for. */
export type BenchRequest =
  | { readonly bench: "accuracy"; readonly json: boolean; readonly samples: number; readonly rttMs: number }
  | { readonly bench: "footprint"; readonly json: boolean; readonly seconds: number; readonly period: number }
  | { readonly bench: "rollup"; readonly json: boolean }
  | { readonly bench: "connections"; readonly json: boolean }
  | { readonly bench: "spool"; readonly json: boolean; readonly targets: number };

/** Samples per way of measuring: p99 of 200 still has two samples above it. */
const SAMPLES = { flag: "samples", standard: 200, least: 20, most: 10_000 } as const;

/** Seconds measured, after the warm-up: 30 s at 20 probes a second are 600 probes. */
const SECONDS = { flag: "seconds", standard: 30, least: 5, most: 3_600 } as const;

/** Seconds between two probes of a target: 1 is a lone agent's, more is what a fleet leaves to each (P1). */
const PERIOD = { flag: "period", standard: 1, least: 1, most: 60 } as const;

/** Delay of the path there and back, ms: 20 is a continent's width. */
const RTT = { flag: "rtt-ms", standard: 20, least: 1, most: 1_000 } as const;

/** Targets of the plan whose reports are spooled: all of the default plan's. */
const TARGETS = { flag: "targets", standard: PLAN_MAX_TARGETS, least: 1, most: PLAN_MAX_TARGETS } as const;

type Amount = typeof SAMPLES | typeof SECONDS | typeof PERIOD | typeof RTT | typeof TARGETS;

/** Which amounts each bench is told. */
const AMOUNTS_OF: Readonly<Record<BenchRequest["bench"], readonly Amount[]>> = {
  accuracy: [SAMPLES, RTT],
  footprint: [SECONDS, PERIOD],
  rollup: [],
  connections: [],
  spool: [TARGETS],
};
const BENCHES = Object.keys(AMOUNTS_OF) as BenchRequest["bench"][];
const BENCHES_TEXT = "accuracy, footprint, rollup, connections or spool";

/** How the program is used, in one line. */
export const USAGE =
  "usage: bench accuracy [--json] [--samples N] [--rtt-ms N] | bench footprint [--json] [--seconds N] [--period N] | bench rollup [--json] | bench connections [--json] | bench spool [--json] [--targets N]";

/** Reads the arguments after node and script. Throws `bad-usage`. */
export function readArguments(args: readonly string[]): BenchRequest {
  const { values, positionals } = tokensOf(args);
  const bench = readBench(positionals);
  const given = new Map(values);
  const json = given.has("json");
  given.delete("json");
  const flags = AMOUNTS_OF[bench].map(({ flag }): string => flag);
  for (const flag of given.keys()) {
    if (flags.includes(flag)) continue;
    const taken = flags.length === 0 ? "no amount" : `${flags.map((name) => `--${name}`).join(" and ")} instead`;
    throw new BenchError("bad-usage", `--${flag}: ${bench} takes ${taken}`);
  }
  const read = (amount: Amount) => readAmount(amount, given.get(amount.flag));
  switch (bench) {
    case "accuracy":
      return { bench, json, samples: read(SAMPLES), rttMs: read(RTT) };
    case "footprint":
      return { bench, json, ...readLookback(read(SECONDS), read(PERIOD)) };
    case "rollup":
    case "connections":
      return { bench, json };
    case "spool":
      return { bench, json, targets: read(TARGETS) };
  }
}

/** Every flag at most once, and none but ours. */
function tokensOf(args: readonly string[]) {
  const options = {
    json: { type: "boolean" },
    samples: { type: "string" },
    "rtt-ms": { type: "string" },
    seconds: { type: "string" },
    period: { type: "string" },
    targets: { type: "string" },
  } as const;
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true, allowPositionals: true });
  const values = new Map<string, string>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const { name, rawName, value } = token;
    if (!Object.hasOwn(options, name) || rawName !== `--${name}`) {
      throw new BenchError(
        "bad-usage",
        `${rawName}: unknown flag; expected --json, --samples, --rtt-ms, --seconds, --period or --targets`,
      );
    }
    if (values.has(name)) throw new BenchError("bad-usage", `${rawName}: given more than once`);
    if (name === "json" && value !== undefined) throw new BenchError("bad-usage", "--json: takes no value");
    if (name !== "json" && (value === undefined || value === "" || (token.inlineValue === false && value[0] === "-"))) {
      throw new BenchError("bad-usage", `${rawName}: needs a value`);
    }
    values.set(name, value ?? "");
  }
  return { values, positionals };
}

function readBench(positionals: readonly string[]): BenchRequest["bench"] {
  const [named, extra] = positionals;
  if (named === undefined) throw new BenchError("bad-usage", `no bench named; expected ${BENCHES_TEXT}`);
  const bench = BENCHES.find((each) => each === named);
  if (bench === undefined) throw new BenchError("bad-usage", `"${named}": no such bench; expected ${BENCHES_TEXT}`);
  if (extra !== undefined) throw new BenchError("bad-usage", `"${extra}": unexpected after ${bench}`);
  return bench;
}

/** A lookback in which every target is probed. */
function readLookback(seconds: number, period: number) {
  if (seconds >= period) return { seconds, period };
  throw new BenchError(
    "bad-usage",
    `--seconds: ${seconds} is less than --period ${period}; expected at least one period`,
  );
}

function readAmount({ flag, standard, least, most }: Amount, text: string | undefined): number {
  if (text === undefined) return standard;
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new BenchError(
    "bad-usage",
    `--${flag}: "${text}" is out of range; expected a whole number from ${least} to ${most}`,
  );
}
