/**
 * Side-by-side measurements of Lifeline and its peers, each printed as figures and as a ratio.
 *
 * One JSON object goes to stdout, indented for people or, with --json, on one line; progress goes to stderr. Exit
 * status: 0 measured (whatever the figures), 1 a measurement failed, 2 bad usage, 3 cannot run here, 128 + n ended by
 * signal n.
 */
import { constants } from "node:os";
import { HarnessError, type HarnessErrorCode, runTool } from "@lifeline/harness";
import { LabError } from "@lifeline/lab";
import { systemClock } from "@lifeline/measure";
import { measureAccuracy } from "./accuracy/accuracy.ts";
import { type BenchRequest, readArguments } from "./arguments.ts";
import { BenchError, type BenchErrorCode } from "./bench-error.ts";
import { measureConnections } from "./connections/connections.ts";
import { measureFootprint } from "./footprint/footprint.ts";
import { measureRollup } from "./rollup/rollup-bench.ts";
import { measureSpool } from "./spool/spool-bench.ts";
import { openWorkshop, type Workshop } from "./workshop.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function main(args: readonly string[]): Promise<number> {
  const workshop = openWorkshop(systemClock, say);
  const asked = askedToEnd();
  try {
    return await runTool(
      {
        name: "npm run bench",
        read: readArguments,
        async run(request) {
          const output = await Promise.race([measure(workshop, request), asked]);
          if (typeof output === "number") return output;
          process.stdout.write(`${output}\n`);
          return 0;
        },
        exitCodeOf(error) {
          if (error instanceof LabError) return 1;
          return error instanceof BenchError || error instanceof HarnessError ? statusOf(error.code) : undefined;
        },
      },
      args,
    );
  } finally {
    await workshop.close();
  }
}

async function measure(workshop: Workshop, request: BenchRequest): Promise<string> {
  return JSON.stringify(await resultOf(workshop, request), null, request.json ? 0 : 2);
}

function resultOf(workshop: Workshop, request: BenchRequest): Promise<object> {
  switch (request.bench) {
    case "accuracy":
      return measureAccuracy(workshop, request.samples, request.rttMs);
    case "footprint":
      return measureFootprint(workshop, request.seconds, request.period);
    case "rollup":
      return measureRollup(workshop);
    case "connections":
      return measureConnections(workshop);
    case "spool":
      return measureSpool(workshop, request.targets);
  }
}

/**
 * Resolves with the exit status of the first signal to end; later ones change nothing while the bench puts things away.
 */
function askedToEnd(): Promise<number> {
  return new Promise((resolve) => {
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        say(`bench: ${signal}, ending`);
        resolve(128 + constants.signals[signal]);
      });
    }
  });
}

function statusOf(code: BenchErrorCode | HarnessErrorCode): number {
  switch (code) {
    case "cannot-run":
      return 3;
    case "child-failed":
    case "not-started":
    case "process-gone":
    case "ambiguous-report":
    case "malformed-capture":
    case "mispaired":
      return 1;
    case "interrupted":
      return 128 + constants.signals.SIGINT;
  }
}

// Handles that a broken-off measurement still holds must not keep the program.
main(process.argv.slice(2)).then((status) => process.exit(status));
