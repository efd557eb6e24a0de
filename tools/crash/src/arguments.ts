/** What the harness is told. */
import { parseArgs } from "node:util";
import { CrashError } from "./crash-error.ts";

export interface Arguments {
  readonly help: boolean;
  /** 1 to 100,000; default 200. */
  readonly rounds: number;
  /** 0 to 4,294,967,295; undefined: one is drawn. */
  readonly seed: number | undefined;
  readonly json: boolean;
}

export const USAGE = `npm run crash -- [--rounds N] [--seed S] [--json]

Kills agent and collector at random moments, cuts and slows the way between them, fills their disks and shifts their clocks; then
counts what the agent had on its disk against what the collector holds. They speak mutual TLS. Then enrolments are struck, one for each
five rounds: every node must come in, for one use of its token. Exit 0 only when nothing is lost, nothing is double and every node is in.

  --rounds N   faults to play, 1 to 100000 (default 200; some 1.3 s each)
  --seed S     0 to 4294967295: the same seed plays the same faults
  --json       one JSON object: rounds, sealed, stored, lost, duplicated, identity and more

Disks are filled where this runs as root, on a small tmpfs in a mount namespace of its own.
`;

/** @throws CrashError `usage` */
export function readArguments(args: readonly string[]): Arguments {
  const values = parsed(args);
  const rounds = number("--rounds", values.rounds ?? "200", 1, 100_000);
  const seed = values.seed === undefined ? undefined : number("--seed", values.seed, 0, 0xffff_ffff);
  return { help: values.help === true, rounds, seed, json: values.json === true };
}

function parsed(args: readonly string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  try {
    return parseArgs({ args: [...args], options: { rounds: text, seed: text, json: flag, help: flag } }).values;
  } catch (error) {
    // Node's own words name the argument.
    throw new CrashError("usage", error instanceof Error ? error.message : String(error));
  }
}

function number(flag: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d{1,10}$/.test(text) && value >= least && value <= most) return value;
  throw new CrashError("usage", `${flag}: got '${text}', want an integer from ${least} to ${most}`);
}
