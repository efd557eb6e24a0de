/** One run of `npm run lab`. Everything it started has ended when it resolves. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { matchesPattern } from "@lifeline/catalogue";
import { CliError, EXIT, noMatch, type ScreenWorld } from "@lifeline/cli";
import { ConfigError, problem, shownValue } from "@lifeline/settings";
import { type Arguments, readArguments } from "./arguments.ts";
import { DrillError } from "./drill-error.ts";
import { assertExtensionRuns, extensionText, runExtension } from "./extension-drill.ts";
import { falseAlarmsText, runWithoutFaults } from "./false-alarms.ts";
import type { FaultDrill } from "./fault-drill.ts";
import { FAULT_DRILLS } from "./fault-drills.ts";
import { isAsExpected, MATRIX_NODES, runMatrix } from "./matrix.ts";
import { matrixText } from "./matrix-table.ts";
import { lossText, runLoss } from "./reported-loss.ts";
import { showFleet } from "./screen.ts";
import { openTestBed, type TestBed } from "./test-bed.ts";

/** Exit code when the lab cannot run on this machine: the shell's code for a command that exists and cannot run. */
const EXIT_CANNOT_RUN = 126;

/** Runs the drill with its arguments; resolves with the exit code. */
export async function runLab(args: readonly string[], world: ScreenWorld): Promise<number> {
  try {
    const command = readArguments(args);
    if (command.kind === "print") await world.stdout.write(command.text);
    else if (command.config.kind !== "list") return await inTestBed(command.config, world);
    else await world.stdout.write(command.config.json ? listJson() : listText());
    return 0;
  } catch (error) {
    return explain(error, world);
  }
}

type Played = Exclude<Arguments, { kind: "list" }>;

async function inTestBed(wanted: Played, world: ScreenWorld): Promise<number> {
  const drills = chosen(wanted);
  if (wanted.kind === "extension" && !existsSync(join(wanted.from, "index.json")))
    throw new ConfigError(problem("bad-value", "--extension", shownValue(wanted.from), "an OCI image layout"));
  if (wanted.kind === "extension") assertExtensionRuns();
  const testBed = await openTestBed({
    clock: world.clock,
    signal: world.interrupt,
    say: (line) => void world.stderr.write(`lab: ${line}\n`),
    ...(wanted.kind === "matrix" ? { nodes: Math.min(MATRIX_NODES, drills.length + 1) } : {}),
  });
  try {
    return await play(testBed, wanted, drills, world);
  } finally {
    await testBed.close();
  }
}

async function play(
  testBed: TestBed,
  wanted: Played,
  drills: readonly FaultDrill[],
  world: ScreenWorld,
): Promise<number> {
  const { stdout, stderr, clock, interrupt } = world;
  const width = stdout.columns();
  const print = (text: string, json: unknown, asJson: boolean) =>
    stdout.write(asJson ? `${JSON.stringify(json, null, 2)}\n` : text);
  switch (wanted.kind) {
    case "screen":
      await showFleet(testBed, drills, world);
      return 0;
    case "matrix": {
      const rows = await runMatrix(testBed, drills, clock, interrupt, (row) => {
        void stderr.write(`lab: ${row.fault} at ${row.node}: ${row.reportedCause ?? "nothing"}\n`);
      });
      await print(matrixText(rows, drills, width), rows, wanted.json);
      const isRight = drills.every((drill) => rows.some((row) => row.fault === drill.name && isAsExpected(row, drill)));
      return isRight ? 0 : 1;
    }
    case "quiet": {
      const say = (line: string) => void stderr.write(`lab: ${line}\n`);
      const result = await runWithoutFaults(testBed, wanted.seconds, { clock, interrupt, say });
      await print(falseAlarmsText(result), result, wanted.json);
      return result.isQuiet ? 0 : 1;
    }
    case "loss": {
      const rows = await runLoss(testBed, wanted.seconds, world);
      await print(lossText(rows, width), rows, wanted.json);
      return rows.every(({ isInside }) => isInside) ? 0 : 1;
    }
    case "extension": {
      const checks = await runExtension(testBed, wanted.from, {
        clock,
        signal: interrupt,
        say: (line) => void stderr.write(`lab: ${line}\n`),
      });
      await print(extensionText(checks, width), checks, wanted.json);
      return checks.length > 0 && checks.every(({ isRight }) => isRight) ? 0 : 1;
    }
  }
}

function chosen(wanted: Played): readonly FaultDrill[] {
  const text = wanted.kind === "screen" ? wanted.fault : wanted.kind === "matrix" ? wanted.only : undefined;
  if (text === undefined) return FAULT_DRILLS;
  const names = FAULT_DRILLS.map(({ name }) => name);
  const patterns = text.split(",");
  const odd = patterns.find((pattern) => !names.some((name) => matchesPattern(pattern, name)));
  if (odd !== undefined) throw noMatch(odd, names);
  return FAULT_DRILLS.filter(({ name }) => patterns.some((pattern) => matchesPattern(pattern, name)));
}

function listJson(): string {
  const list = FAULT_DRILLS.map(({ name, what, expected, hard }) => ({ fault: name, what, expected, hard }));
  return `${JSON.stringify(list, null, 2)}\n`;
}

function listText(): string {
  const longest = Math.max(...FAULT_DRILLS.map(({ name }) => name.length));
  return FAULT_DRILLS.map(({ name, what, expected }) => `${name.padEnd(longest)}  ${what} → ${expected.cause}\n`).join(
    "",
  );
}

async function explain(error: unknown, { stderr, interrupt }: ScreenWorld): Promise<number> {
  if (interrupt.aborted) return EXIT.interrupted;
  if (error instanceof ConfigError || error instanceof CliError) {
    await stderr.write(`npm run lab: ${error.message}\n`);
    return EXIT.usage;
  }
  if (!(error instanceof DrillError)) throw error;
  await stderr.write(`npm run lab: ${error.message}\n`);
  return EXIT_CANNOT_RUN;
}
