/** What every command has in common: the global options it understands, and how its result is shown. */
import { type Command, Option } from "commander";
import { checkPattern } from "./arguments/requirement-pattern.ts";
import { CliError } from "./cli-error.ts";
import { TOKEN_FILE_VARIABLE, TOKEN_VARIABLE } from "./collector/bearer-token.ts";
import {
  COLLECTOR_VARIABLE,
  type CollectorAddress,
  type CollectorFlags,
  collectorAddress,
  DEFAULT_COLLECTOR,
} from "./collector/collector-address.ts";
import {
  type AdminClient,
  firstContact,
  type QueryClient,
  withAdmin,
  withCollector,
} from "./collector/collector-client.ts";
import { CA_FINGERPRINT_VARIABLE } from "./collector/collector-security.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { FORMATS, type Format, layoutOf, type View, viewText } from "./render/view.ts";
import { watch } from "./render/watch.ts";
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

/** The options of a command that calls the collector. */
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
  const collector = `address of the collector (env ${COLLECTOR_VARIABLE}, default ${DEFAULT_COLLECTOR})`;
  const caFingerprint = `fingerprint of the fleet CA that issued the collector's certificate, sha256:… (env ${CA_FINGERPRINT_VARIABLE})`;
  const token = `file with the access token (env ${TOKEN_FILE_VARIABLE}, or ${TOKEN_VARIABLE} for the token itself)`;
  root
    .addOption(new Option("--collector <host:port>", collector))
    .addOption(new Option("--ca-fingerprint <fingerprint>", caFingerprint))
    .addOption(new Option("--ca-file <file>", "PEM CA certificates of the collector; for check, of Omni"))
    .addOption(new Option("--cert-file <file>", "PEM client certificate for the collector, with --key-file"))
    .addOption(new Option("--key-file <file>", "PEM key of the client certificate"))
    .addOption(new Option("--token-file <file>", token))
    .addOption(new Option("--allow-plaintext", "use no TLS to a collector on another host"))
    .addOption(new Option("--output <format>", "output format (default table)").choices(FORMATS))
    .addOption(new Option("--json", "the same as --output json").conflicts("output"))
    .addOption(new Option("--watch", "refresh each second until Ctrl-C"))
    .addOption(
      new Option("--only <pattern>", "only requirements whose id matches this shell-style pattern, such as 'node-*'"),
    )
    .addOption(new Option("--no-color", "no colour, as with NO_COLOR set"));
}

/** What the help and the checks need beyond what commander holds. */
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
    throw new CliError("usage", `${option.long ?? option.flags}: '${path}' does not use it`);
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
  /** Shows the view of `find` once or, with --watch, each second. Its exit code becomes that of the run. */
  show(find: (signal: AbortSignal) => Promise<View>): Promise<void>;
  /** The same for a command that queries the collector. */
  showAnswer(query: (client: QueryClient, signal: AbortSignal) => Promise<View>): Promise<void>;
  /** The same for a command that administers identities. */
  showAdmin(call: (client: AdminClient, signal: AbortSignal) => Promise<View>): Promise<void>;
  /** Administers identities, and returns the answer for the command to print. */
  callAdmin<Answer>(call: (client: AdminClient, signal: AbortSignal) => Promise<Answer>): Promise<Answer>;
  /** Prints text. */
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
  /** Shows what one collector answers. Its fleet CA is fetched once. */
  const showAt = (query: (address: CollectorAddress, signal: AbortSignal) => Promise<View>): Promise<void> => {
    let address = collectorAddress(options(), world.env);
    return show(async (signal) => {
      address = await firstContact(address, signal);
      return query(address, signal);
    });
  };
  return {
    session: {
      world,
      options,
      show,
      showAnswer: (query) =>
        showAt((address, signal) => withCollector(address, (client) => query(client, signal), signal)),
      showAdmin: (call) => showAt((address, signal) => withAdmin(address, (client) => call(client, signal), signal)),
      callAdmin: (call) => {
        const signal = world.interrupt;
        return withAdmin(collectorAddress(options(), world.env), (client) => call(client, signal), signal);
      },
      print: (text) => world.stdout.write(text),
    },
    exitCode: () => exitCode,
  };
}

function watchable(format: Format): "table" | "wide" | "json" {
  if (format === "csv" || format === "markdown") {
    throw new CliError("usage", `--watch: cannot be combined with --output ${format}; use table, wide or json`);
  }
  return format;
}
