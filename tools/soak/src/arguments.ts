/** What the soak is told. */
import { parseArgs } from "node:util";
import { SoakError } from "./soak-error.ts";

export interface Arguments {
  readonly help: boolean;
  /** 0.1 to 10,080 (a week); default 10. */
  readonly minutes: number;
  readonly json: boolean;
}

export const USAGE = `npm run soak -- [--minutes M] [--json]

Runs the shipped collector and agent under a load that shows a leak of memory soon, and reads every five seconds what they hold. Prints
for each figure its least, median and greatest, and how it grows in an hour by least squares, with a 95 % interval, after the first third.

  --minutes M  0.1 to 10080 (default 10); Ctrl-C ends it earlier with what it has
  --json       one JSON object, every reading in it

Exit codes: 0 both lived to the end, whatever the figures; 1 one died, or did not start; 2 wrong arguments.
`;

/** @throws SoakError `usage` */
export function readArguments(args: readonly string[]): Arguments {
  const values = parsed(args);
  const text = values.minutes ?? "10";
  const minutes = /^\d{1,5}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (!(minutes >= 0.1 && minutes <= 10_080)) {
    throw new SoakError("usage", `--minutes: got '${text}', want a number from 0.1 to 10080`);
  }
  return { help: values.help === true, minutes, json: values.json === true };
}

function parsed(args: readonly string[]) {
  const flag = { type: "boolean" } as const;
  try {
    return parseArgs({ args: [...args], options: { minutes: { type: "string" }, json: flag, help: flag } }).values;
  } catch (error) {
    // Node's own words name the argument.
    throw new SoakError("usage", error instanceof Error ? error.message : String(error));
  }
}
