/** One run of `npm start`: live until Ctrl-C, or once. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CatalogueError, deploymentFrom } from "@lifeline/catalogue";
import {
  CliError,
  EXIT,
  fetchStatus,
  layoutOf,
  proseLines,
  readPem,
  type ScreenWorld,
  statusView,
  type View,
  viewText,
  watch,
  withCollector,
} from "@lifeline/cli";
import { pause } from "@lifeline/measure";
import { ConfigError } from "@lifeline/settings";
import { type Arguments, readArguments } from "./arguments.ts";
import { catalogueSubset } from "./catalogue-subset.ts";
import { LocalStack } from "./local-stack.ts";
import { StartError } from "./ready.ts";

/** Exit code when a program cannot be started, as shells have it for a command that exists and cannot run. */
const EXIT_CANNOT_START = 126;

/** Runs `npm start` with its arguments. Resolves with the exit code, after everything it started has ended. */
export async function runLocal(args: readonly string[], world: ScreenWorld): Promise<number> {
  try {
    const command = readArguments(args);
    if (command.kind === "print") {
      await world.stdout.write(command.text);
      return 0;
    }
    const { config: wanted } = command;
    checkOmni(wanted);
    if (wanted.only !== undefined) catalogueSubset(wanted.only);
    return await inDirectory(wanted, world);
  } catch (error) {
    return explain(error, world);
  }
}

async function explain(error: unknown, { stderr, interrupt }: ScreenWorld): Promise<number> {
  if (interrupt.aborted) return EXIT.interrupted;
  if (error instanceof ConfigError || error instanceof CatalogueError) {
    await stderr.write(`npm start: ${error.message}\n`);
    return EXIT.usage;
  }
  if (error instanceof CliError) {
    await stderr.write(`npm start: ${error.message}\n`);
    return error.exitCode;
  }
  if (!(error instanceof StartError)) throw error;
  await stderr.write(`npm start: ${error.message}\n`);
  return EXIT_CANNOT_START;
}

/** Throws for wrong endpoints of the Omni before anything is started. */
function checkOmni({ omni }: Arguments): void {
  if (omni === undefined) return;
  const { api, machineApi, siderolink, caFile } = omni;
  if (caFile !== undefined) readPem("--ca-file", caFile);
  deploymentFrom({ api, siderolink, ...(machineApi === undefined ? {} : { machineApi }) });
}

async function inDirectory(wanted: Arguments, world: ScreenWorld): Promise<number> {
  const directory = wanted.stateDir ?? mkdtempSync(join(tmpdir(), "lifeline-"));
  let stack: LocalStack | undefined;
  try {
    stack = await LocalStack.start({ wanted, directory, clock: world.clock, signal: world.interrupt });
    await stack.planned();
    return wanted.once ? await measureOnce(stack, wanted, world) : await showLive(stack, wanted, world);
  } finally {
    await stack?.stop();
    if (wanted.stateDir === undefined) rmSync(directory, { recursive: true, force: true });
  }
}

async function measureOnce(stack: LocalStack, wanted: Arguments, world: ScreenWorld): Promise<number> {
  await pause(world.clock, wanted.seconds * 1_000, world.interrupt);
  if (world.interrupt.aborted) return EXIT.interrupted;
  const ended = stack.parts.find((part) => part.pid() === undefined);
  if (ended !== undefined) throw new StartError(`the ${ended.name} ended with ${ended.lastEnd()} during the run`);
  await stack.stopAgent();
  const view = await statusOf(stack);
  const format = wanted.json ? "json" : wanted.wide ? "wide" : "table";
  const layout = layoutOf(world, true);
  const heading = wanted.json ? "" : `${headingOf(stack, layout.width)}\n\n`;
  await world.stdout.write(heading + viewText(view, format, layout));
  return view.exitCode;
}

async function showLive(stack: LocalStack, wanted: Arguments, world: ScreenWorld): Promise<number> {
  const find = async (): Promise<View> => {
    const view = await statusOf(stack);
    return { ...view, text: (layout) => `${headingOf(stack, layout.width)}\n\n${view.text(layout)}` };
  };
  await watch(world, { format: wanted.wide ? "wide" : "table", wantsColor: true, find });
  return 0;
}

async function statusOf(stack: LocalStack): Promise<View> {
  return statusView(await withCollector(stack.collector, (client) => fetchStatus(client)));
}

/** What runs, and how to inject faults. No line is wider than `width`: a wrapped line cannot be overwritten. */
function headingOf({ parts, labControl, collector }: LocalStack, width: number | undefined): string {
  const running = parts.map((part) => {
    const pid = part.pid();
    const restarts = part.restarts() === 0 ? "" : `, started again ${part.restarts()}×`;
    return `${part.name} ${pid === undefined ? `ended (${part.lastEnd()})` : `pid ${pid}`}${restarts}`;
  });
  const lines = [`Lifeline on this machine · ${running.join(" · ")} · collector at ${collector.name}`];
  if (labControl !== undefined) {
    lines.push(
      "api-endpoint, machine-api and siderolink-endpoint are a stand-in on loopback, not your Omni (npm start -- --help)",
      `inject a fault: npm run fault -- --control ${labControl} machine-api refuse   (or drop, stall, none; api, siderolink)`,
    );
  }
  return lines.flatMap((line) => proseLines(line, width)).join("\n");
}
