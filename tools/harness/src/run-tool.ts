/** What every tool does around its work: arguments, `--help`, expected errors, exit codes. */
import { type Command, ConfigError } from "@lifeline/settings";

/** Exit code for wrong arguments, as for all programs of Lifeline. */
export const EXIT_USAGE = 2;

/** A tool. */
export interface Tool<Config> {
  /** As people start it, such as `npm run crash`: it begins each line of an error. */
  readonly name: string;
  /** Reads the arguments. May throw a ConfigError. */
  read(args: readonly string[]): Command<Config>;
  /** Does the work; resolves with the exit code. */
  run(config: Config): Promise<number>;
  /** The exit code for an error of `run` that is expected; undefined: it is a defect, and is thrown. */
  exitCodeOf(error: unknown): number | undefined;
}

/** Runs a tool with the arguments after node and script. Resolves with the exit code. */
export async function runTool<Config>(tool: Tool<Config>, args: readonly string[]): Promise<number> {
  try {
    const command = tool.read(args);
    if (command.kind === "run") return await tool.run(command.config);
    process.stdout.write(command.text);
    return 0;
  } catch (error) {
    const exitCode = error instanceof ConfigError ? EXIT_USAGE : tool.exitCodeOf(error);
    if (exitCode === undefined || !(error instanceof Error)) throw error;
    for (const line of error.message.split("\n")) process.stderr.write(`${tool.name}: ${line}\n`);
    return exitCode;
  }
}
