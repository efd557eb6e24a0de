/** What every command has in common: the global options it understands, and how its finding is shown. */
import { type Command, Option } from "commander";
import { TOKEN_FILE_VARIABLE, TOKEN_VARIABLE } from "./bearer-token.ts";
import { CliError } from "./cli-error.ts";
import {
  COLLECTOR_VARIABLE,
  type CollectorAddress,
  type CollectorFlags,
  collectorAddress,
  DEFAULT_COLLECTOR,
} from "./collector-address.ts";
import { type AdminClient, introduced, type QueryClient, withAdmin, withCollector } from "./collector-client.ts";
import { CA_FINGERPRINT_VARIABLE } from "./collector-security.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { checkPattern } from "./requirement-pattern.ts";
import { FORMATS, type Format, layoutOf, type View, viewText } from "./view.ts";
import { watch } from "./watch.ts";
import type { CliWorld } from "./world.ts";

/** The global options as commander names them. */
export interface GlobalOptions extends CollectorFlags {
  readonly output?: Format;
  readonly json?: boolean;
  readonly watch?: boolean;
  readonly only?: string;
  /** False after `--no-color`. */
  readonly color: boolean;
}

/** A global option by the name of its value. */
export type GlobalName = keyof GlobalOptions;

/** The options of a command that asks the collector. */
export const COLLECTOR_OPTIONS = [
  "collector",
  "caFingerprint",
  "caFile",
  "certFile",
  "keyFile",
  "tokenFile",
  "allowPlaintext",
] as const;

/** The options of a command that prints. */
export const OUTPUT_OPTIONS = ["output", "json", "color"] as const;

/** Adds the global options to the root; each command says which of them it understands. */
export function addGlobalOptions(root: Command): void {
  const collector = `host:port of the collector (env ${COLLECTOR_VARIABLE}, default ${DEFAULT_COLLECTOR})`;
  const caFingerprint = `trust a collector of the fleet CA with this fingerprint, sha256:… (env ${CA_FINGERPRINT_VARIABLE})`;
  const token = `file of the token that says who asks (env ${TOKEN_FILE_VARIABLE}, or ${TOKEN_VARIABLE} for the token itself)`;
  root
    .addOption(new Option("--collector <host:port>", collector))
    .addOption(new Option("--ca-fingerprint <fingerprint>", caFingerprint))
    .addOption(new Option("--ca-file <file>", "PEM authorities: the collector's; for check, Omni's"))
    .addOption(new Option("--cert-file <file>", "PEM client certificate for the collector, with --key-file"))
    .addOption(new Option("--key-file <file>", "PEM key of the client certificate"))
    .addOption(new Option("--token-file <file>", token))
    .addOption(new Option("--allow-plaintext", "ask a collector that is not on this host without TLS"))
    .addOption(new Option("--output <format>", "how to print (default table)").choices(FORMATS))
    .addOption(new Option("--json", "the same as --output json").conflicts("output"))
    .addOption(new Option("--watch", "print again each second until Ctrl-C"))
    .addOption(new Option("--only <pattern>", "shell-style pattern on requirement ids, such as 'node-*'"))
    .addOption(new Option("--no-color", "no colour, as with NO_COLOR set"));
}

/** What a command says of itself beyond what commander holds. */
export interface CommandTraits {
  /** The global options it understands; any other is refused. */
  readonly uses: readonly GlobalName[];
  /** Two or three command lines that teach by example, each with what it does. */
  readonly examples: readonly (readonly [line: string, does: string])[];
}

const traitsOf = new WeakMap<Command, CommandTraits>();

/** Attaches traits and puts the examples at the end of the command's help. */
export function withTraits(command: Command, traits: CommandTraits): Command {
  traitsOf.set(command, traits);
  const width = Math.max(...traits.examples.map(([line]) => line.length));
  const lines = traits.examples.map(([line, does]) => `  ${line.padEnd(width)}  # ${does}`);
  return command.addHelpText("after", `\nExamples:\n${lines.join("\n")}`);
}

/** Whether a command understands a global option. */
export function understands(command: Command, name: string): boolean {
  // Every command prints something.
  return name === "color" || (traitsOf.get(command)?.uses.some((used) => used === name) ?? false);
}

/** Refuses global options that the command would silently ignore. @throws CliError `usage`. */
export function refuseForeignOptions(root: Command, command: Command): void {
  const path = commandPath(command);
  for (const option of root.options) {
    const name = option.attributeName();
    if (root.getOptionValueSource(name) !== "cli" || understands(command, name)) continue;
    throw new CliError("usage", `${option.long ?? option.flags}: '${path}' has no use for it`);
  }
}

/** `catalogue diff`: the names from below the root. */
export function commandPath(command: Command): string {
  const above = command.parent;
  return above?.parent ? `${commandPath(above)} ${command.name()}` : command.name();
}

/** One run of the command line. */
export interface Session {
  readonly world: CliWorld;
  readonly options: () => GlobalOptions;
  /** Shows what `find` finds, once or, with --watch, each second; ends the run with its exit code. */
  show(find: (signal: AbortSignal) => Promise<View>): Promise<void>;
  /** The same for a command that asks the collector. */
  showAnswer(ask: (client: QueryClient, signal: AbortSignal) => Promise<View>): Promise<void>;
  /** The same for a command that administers identities. */
  showAdmin(ask: (client: AdminClient, signal: AbortSignal) => Promise<View>): Promise<void>;
  /** Administers identities, and gives what was answered to be said in its own way. */
  askAdmin<Answer>(ask: (client: AdminClient, signal: AbortSignal) => Promise<Answer>): Promise<Answer>;
  /** Prints text and ends the run well. */
  print(text: string): Promise<void>;
}

/** A session over a parsed root, and where its exit code ends up. */
export function createSession(world: CliWorld, root: Command): { session: Session; exitCode: () => ExitCode } {
  let exitCode: ExitCode = EXIT.met;
  const options = (): GlobalOptions => {
    const given = root.opts<GlobalOptions>();
    if (given.only !== undefined) checkPattern(given.only);
    return given;
  };
  const show: Session["show"] = async (find) => {
    const { json, output, color, watch: again } = options();
    const format: Format = json ? "json" : (output ?? "table");
    if (again) {
      exitCode = await watch(world, { format: watchable(format), wantsColor: color, find });
      return;
    }
    const view = await find(world.interrupt);
    await world.stdout.write(viewText(view, format, layoutOf(world, color)));
    exitCode = view.exitCode;
  };
  /** Shows what is asked at one collector, whose authority is seen once. */
  const showAt = (ask: (address: CollectorAddress, signal: AbortSignal) => Promise<View>): Promise<void> => {
    let address = collectorAddress(options(), world.env);
    return show(async (signal) => {
      address = await introduced(address, signal);
      return ask(address, signal);
    });
  };
  return {
    session: {
      world,
      options,
      show,
      showAnswer: (ask) => showAt((address, signal) => withCollector(address, (client) => ask(client, signal), signal)),
      showAdmin: (ask) => showAt((address, signal) => withAdmin(address, (client) => ask(client, signal), signal)),
      askAdmin: (ask) => {
        const signal = world.interrupt;
        return withAdmin(collectorAddress(options(), world.env), (client) => ask(client, signal), signal);
      },
      print: (text) => world.stdout.write(text),
    },
    exitCode: () => exitCode,
  };
}

function watchable(format: Format): "table" | "wide" | "json" {
  if (format === "csv" || format === "markdown") {
    throw new CliError("usage", `--watch: goes with --output table, wide and json, not ${format}`);
  }
  return format;
}
