/**
 * Side-by-side measurements of Lifeline and its peers, each printed as figures and as a ratio.
 *
 * With --json exactly one JSON object goes to stdout, otherwise a table; progress goes to stderr. Exit status: 0
 * measured (whatever the figures), 1 a measurement failed, 2 bad usage, 3 cannot run here, 128 + n ended by signal n.
 */
import { constants } from "node:os";
import { HarnessError, type HarnessErrorCode, runTool } from "@lifeline/harness";
import { systemClock } from "@lifeline/measure";
import { measureAccuracy } from "./accuracy/accuracy.ts";
import { renderAccuracy } from "./accuracy/render.ts";
import { type BenchRequest, readArguments } from "./arguments.ts";
import { BenchError, type BenchErrorCode } from "./bench-error.ts";
import { measureConnections } from "./connections/connections.ts";
import { renderConnections } from "./connections/render.ts";
import { measureFootprint } from "./footprint/footprint.ts";
import { renderFootprint } from "./footprint/render.ts";
import { renderRollup } from "./rollup/render.ts";
import { measureRollup } from "./rollup/rollup-bench.ts";
import { renderSpool } from "./spool/render.ts";
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
  switch (request.bench) {
    case "accuracy": {
      const result = await measureAccuracy(workshop, request.samples, request.rttMs);
      return request.json ? JSON.stringify(result) : renderAccuracy(result);
    }
    case "footprint": {
      const result = await measureFootprint(workshop, request.seconds, request.period);
      return request.json ? JSON.stringify(result) : renderFootprint(result);
    }
    case "rollup": {
      const result = await measureRollup(workshop);
      return request.json ? JSON.stringify(result) : renderRollup(result);
    }
    case "connections": {
      const result = await measureConnections(workshop);
      return request.json ? JSON.stringify(result) : renderConnections(result);
    }
    case "spool": {
      const result = await measureSpool(workshop, request.targets);
      return request.json ? JSON.stringify(result) : renderSpool(result);
    }
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
