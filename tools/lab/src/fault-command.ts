/**
 * Injects a fault into a running stand-in, for people:
 *
 *     node tools/lab/dist/fault-command.js --control PATH machine-api drop
 *
 * Without listener and fault it shows the state. Exit status: 0 done, 1 the stand-in refused or is not there, 2 bad
 * flags.
 */
import { endpointName } from "@lifeline/measure";
import { readState, requestFault } from "./control-client.ts";
import { readFlags } from "./flags.ts";
import { LabError } from "./lab-error.ts";
import { type FaultRequest, readFault, readFaultScope } from "./listener-fault.ts";
import type { StandInState } from "./stand-in-state.ts";

const USAGE =
  "expected --control PATH, then a listener (api, machine-api, siderolink, all) and a fault (none, refuse, drop, stall)";

interface Command {
  readonly controlPath: string;
  /** Absent: show the state. */
  readonly fault?: FaultRequest;
}

function readCommand(args: readonly string[]): Command {
  const { values, positionals } = readFlags(args, { names: ["control"] });
  const controlPath = values.get("control")?.[0];
  if (controlPath === undefined) throw new LabError("bad-input", `--control: missing; ${USAGE}`);
  if (positionals.length === 0) return { controlPath };
  if (positionals.length !== 2) throw new LabError("bad-input", `${positionals.length} arguments; ${USAGE}`);
  return { controlPath, fault: { listener: readFaultScope(positionals[0]), fault: readFault(positionals[1]) } };
}

function render(state: StandInState): string {
  const rows = state.listeners.map(
    ({ name, protocol, host, port, fault }) =>
      `${name.padEnd(12)} ${protocol.padEnd(6)} ${endpointName(host, port).padEnd(22)} ${fault}\n`,
  );
  return `lab stand-in, pid ${state.pid}\n${rows.join("")}`;
}

async function main(args: readonly string[]): Promise<void> {
  let command: Command;
  try {
    command = readCommand(args);
  } catch (error) {
    return end(2, error);
  }
  const { controlPath, fault } = command;
  try {
    process.stdout.write(render(await (fault ? requestFault(controlPath, fault) : readState(controlPath))));
  } catch (error) {
    end(1, error);
  }
}

function end(status: 1 | 2, error: unknown): void {
  if (!(error instanceof LabError)) throw error;
  process.stderr.write(`lab: ${error.message}\n`);
  process.exitCode = status;
}

await main(process.argv.slice(2));
