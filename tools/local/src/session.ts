/** One run of `npm start`: live until Ctrl-C, or once and out. */
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
import { type Arguments, readArguments, USAGE, UsageError } from "./arguments.ts";
import { type House, narrowed, openHouse } from "./house.ts";
import { StartError } from "./ready.ts";

/** Exit code when a part could not be started: as a shell says of a command that is there and does not run. */
const EXIT_CANNOT_START = 126;

/** Runs `npm start` with its arguments; resolves with the exit code. Everything it started has ended by then. */
export async function runLocal(args: readonly string[], world: ScreenWorld): Promise<number> {
  try {
    const wanted = readArguments(args);
    if (wanted.help) {
      await world.stdout.write(USAGE);
      return 0;
    }
    checkOmni(wanted);
    if (wanted.only !== undefined) narrowed(wanted.only);
    return await inDirectory(wanted, world);
  } catch (error) {
    return explain(error, world);
  }
}

async function explain(error: unknown, { stderr, interrupt }: ScreenWorld): Promise<number> {
  if (interrupt.aborted) return EXIT.interrupted;
  if (error instanceof UsageError || error instanceof CatalogueError) {
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

/** Tells what is wrong with --omni and its companions before anything is started. */
function checkOmni({ omni }: Arguments): void {
  if (omni === undefined) return;
  const { api, machineApi, siderolink, caFile } = omni;
  if (caFile !== undefined) readPem("--ca-file", caFile);
  deploymentFrom({ api, siderolink, ...(machineApi === undefined ? {} : { machineApi }) });
}

async function inDirectory(wanted: Arguments, world: ScreenWorld): Promise<number> {
  const directory = wanted.stateDir ?? mkdtempSync(join(tmpdir(), "lifeline-"));
  let house: House | undefined;
  try {
    house = await openHouse({ wanted, directory, clock: world.clock, signal: world.interrupt });
    await house.planned();
    return wanted.once ? await measureOnce(house, wanted, world) : await showLive(house, wanted, world);
  } finally {
    await house?.stop();
    if (wanted.stateDir === undefined) rmSync(directory, { recursive: true, force: true });
  }
}

async function measureOnce(house: House, wanted: Arguments, world: ScreenWorld): Promise<number> {
  await pause(world.clock, wanted.seconds * 1_000, world.interrupt);
  if (world.interrupt.aborted) return EXIT.interrupted;
  const gone = house.parts.find((part) => part.pid() === undefined);
  if (gone !== undefined) throw new StartError(`the ${gone.name} ended with ${gone.lastEnd()} while it measured`);
  await house.stopAgent();
  const view = await statusOf(house);
  const format = wanted.json ? "json" : wanted.wide ? "wide" : "table";
  const layout = layoutOf(world, true);
  const heading = wanted.json ? "" : `${headingOf(house, layout.width)}\n\n`;
  await world.stdout.write(heading + viewText(view, format, layout));
  return view.exitCode;
}

async function showLive(house: House, wanted: Arguments, world: ScreenWorld): Promise<number> {
  const find = async (): Promise<View> => {
    const view = await statusOf(house);
    return { ...view, text: (layout) => `${headingOf(house, layout.width)}\n\n${view.text(layout)}` };
  };
  await watch(world, { format: wanted.wide ? "wide" : "table", wantsColor: true, find });
  return 0;
}

async function statusOf(house: House): Promise<View> {
  return statusView(await withCollector(house.collector, (client) => fetchStatus(client)));
}

/** What runs here, and how to play with it; no line is wider than `width`, for one that wraps cannot be painted over. */
function headingOf({ parts, labControl, collector }: House, width: number | undefined): string {
  const running = parts.map((part) => {
    const pid = part.pid();
    const again = part.restarts() === 0 ? "" : `, started again ${part.restarts()}×`;
    return `${part.name} ${pid === undefined ? `gone (${part.lastEnd()})` : `pid ${pid}`}${again}`;
  });
  const lines = [`Lifeline on this machine · ${running.join(" · ")} · collector at ${collector.name}`];
  if (labControl !== undefined) {
    lines.push(
      "api-endpoint, machine-api and siderolink-endpoint are a lab stand-in on loopback, not your Omni (npm start -- --help)",
      `break it: npm run fault -- --control ${labControl} machine-api refuse   (or drop, stall, none; api, siderolink)`,
    );
  }
  return lines.flatMap((line) => proseLines(line, width)).join("\n");
}
