/** The command line of `npm run bench`: the name of a bench, then its flags. */
import {
  type Command,
  ConfigError,
  kind,
  type Program,
  problem,
  readCommand,
  type Settings,
  shownValue,
} from "@lifeline/settings";
import { PLAN_MAX_TARGETS } from "./spool/default-plan.ts";

/** The parsed command line. */
export type BenchRequest =
  | { readonly bench: "accuracy"; readonly json: boolean; readonly samples: number; readonly rttMs: number }
  | { readonly bench: "footprint"; readonly json: boolean; readonly seconds: number; readonly period: number }
  | { readonly bench: "rollup"; readonly json: boolean }
  | { readonly bench: "connections"; readonly json: boolean }
  | { readonly bench: "spool"; readonly json: boolean; readonly targets: number };

const json = { type: kind.boolean, default: false, help: "prints the result on one line instead of indented" } as const;

const ACCURACY = {
  // The p99 of 200 still has two samples above it.
  samples: { type: kind.integer(20, 10_000, "samples"), default: 200, help: "samples of each method" },
  // 20 ms is the width of a continent.
  rttMs: { type: kind.integer(1, 1_000, "ms"), default: 20, help: "delay of the path, there and back" },
  json,
} as const;

const FOOTPRINT = {
  // 30 s at 20 probes a second are 600 probes.
  seconds: { type: kind.integer(5, 3_600, "seconds"), default: 30, help: "how long is measured, after the warm-up" },
  // 1 is the cadence of a lone agent, more what a fleet leaves to each (P1).
  period: { type: kind.integer(1, 60, "seconds"), default: 1, help: "time between two probes of a target" },
  json,
} as const;

const SPOOL = {
  targets: {
    type: kind.integer(1, PLAN_MAX_TARGETS, "targets"),
    default: PLAN_MAX_TARGETS,
    help: "targets of the plan whose reports are spooled",
  },
  json,
} as const;

const BENCHES = ["accuracy", "footprint", "rollup", "connections", "spool"] as const;

const NOTES = `exit codes: 0 measured, whatever the figures; 1 a measurement failed; 2 wrong arguments; 3 this host cannot run it
`;

const programOf = <const S extends Program["settings"]>(bench: string, summary: string, settings: S): Program<S> => {
  return { name: `npm run bench -- ${bench}`, summary, settings, notes: NOTES };
};

const ACCURACY_SUMMARY = "reported round trips against a packet capture, beside fping and blackbox_exporter";

/** Reads the arguments after node and script. Throws a ConfigError. */
export function readArguments([name = "", ...args]: readonly string[]): Command<BenchRequest> {
  const bench = BENCHES.find((each) => each === name);
  switch (bench) {
    case "accuracy":
      return read(bench, ACCURACY_SUMMARY, ACCURACY, args);
    case "footprint":
      return readCommand(
        programOf(bench, "memory and CPU of the agent beside blackbox_exporter", FOOTPRINT),
        args,
        {},
        (given) => {
          const { seconds, period } = given.values;
          if (seconds < period) given.refuse("seconds", String(seconds), `at least --period, ${period}`);
          given.check();
          return { bench, ...given.values };
        },
      );
    case "rollup":
      return read(bench, "what the collector's roll-ups cost", { json }, args);
    case "connections":
      return read(bench, "the collector's listener beside grpc-js's", { json }, args);
    case "spool":
      return read(bench, "the agent's spool beside SQLite", SPOOL, args);
    case undefined:
      if (name === "--help" || name === "-h")
        return { kind: "print", text: `npm run bench -- BENCH [FLAG ...]: ${benches}\n` };
      throw new ConfigError(problem("bad-flag", "command line", shownValue(name), `one of ${benches}; then its flags`));
  }
}

function read<const B extends string, const S extends Settings>(
  bench: B,
  summary: string,
  settings: S,
  args: readonly string[],
) {
  return readCommand(programOf(bench, summary, settings), args, {}, ({ values }) => ({ bench, ...values }));
}

const benches = BENCHES.join(", ");
