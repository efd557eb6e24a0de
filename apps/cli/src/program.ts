/** The command tree: what there is to type. */
import { LIFELINE_VERSION } from "@lifeline/measure";
import { Command, Help, type Option } from "commander";
import { addCatalogue } from "./commands/catalogue.ts";
import { addCheck } from "./commands/check.ts";
import { addCompletion } from "./commands/completion.ts";
import { addEnrolments } from "./commands/enrolments.ts";
import { addHistory } from "./commands/history.ts";
import { addIncidents } from "./commands/incidents.ts";
import { addNode } from "./commands/node.ts";
import { addNodes } from "./commands/nodes.ts";
import { addReflector } from "./commands/reflector.ts";
import { addStatus } from "./commands/status.ts";
import { addToken } from "./commands/token.ts";
import type { ExitCode } from "./exit-code.ts";
import { addGlobalOptions, createSession, refuseForeignOptions, understands, withTraits } from "./session.ts";
import type { CliWorld } from "./world.ts";

/** Width of help where there is no terminal to measure, columns. */
const HELP_COLUMNS = 100;

/** Where commander's own words go: help, version, usage errors. */
export interface ProgramOutput {
  out(text: string): void;
  err(text: string): void;
}

/** A program ready to parse, and the exit code after it has. */
export interface Program {
  readonly root: Command;
  readonly exitCode: () => ExitCode;
}

const COMMANDS = [
  addStatus,
  addNodes,
  addNode,
  addIncidents,
  addHistory,
  addCheck,
  addCatalogue,
  addToken,
  addEnrolments,
  addReflector,
  addCompletion,
];

/** Builds a new tree for each run, because a parsed one keeps its options. */
export function createProgram(world: CliWorld, output: ProgramOutput): Program {
  const root = new Command("lifeline");
  root
    .description("Can every node reach what Omni needs, how well, since when, and if not, who must change what?")
    .version(LIFELINE_VERSION, "--version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show help of a command")
    .exitOverride()
    .showHelpAfterError("(--help shows how)")
    .configureOutput({
      writeOut: output.out,
      writeErr: output.err,
      getOutHelpWidth: () => world.stdout.columns() ?? HELP_COLUMNS,
      getErrHelpWidth: () => world.stderr.columns() ?? HELP_COLUMNS,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .configureHelp({ showGlobalOptions: true, visibleGlobalOptions: understoodOptions });
  addGlobalOptions(root);
  const { session, exitCode } = createSession(world, root);
  for (const add of COMMANDS) add(root, session);
  root.hook("preAction", (_root, command) => refuseForeignOptions(root, command));
  withTraits(root, {
    uses: [],
    examples: [
      ["lifeline check --deployment deployment.yaml", "probe from this host, before anything is installed"],
      ["lifeline status --watch", "every row of the fleet, refreshed each second"],
      ["lifeline catalogue list", "what must be reachable, and why"],
    ],
  });
  root.addHelpText("after", `\n${EXIT_CODES}`);
  return { root, exitCode };
}

const EXIT_CODES = `Exit codes:
  0    every required row is met, or the command did what was asked
  1    a required row is not met, or there is no required row (incidents: one is open)
  2    bad usage, file or setting, or the collector refused
  3    the collector cannot be reached or is overloaded
  130  interrupted before there was a result`;

/** The global options that the command understands: others would promise what is refused. */
function understoodOptions(command: Command): Option[] {
  return new Help().visibleGlobalOptions
    .call({ showGlobalOptions: true } as Help, command)
    .filter((option) => option.long === "--version" || understands(command, option.attributeName()));
}
