/** One run of the command line: arguments in, text out, an exit code back. */
import { CatalogueError } from "@lifeline/catalogue";
import { visibleLines } from "@lifeline/measure";
import { CommanderError } from "commander";
import { CliError } from "./cli-error.ts";
import { REFLECTOR } from "./commands/reflector.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { createProgram } from "./program.ts";
import type { CliWorld } from "./world.ts";

/**
 * Runs `argv` (without interpreter and script). Never rejects on what a user, a file or a collector may do; a rejection
 * is a defect.
 */
export async function run(argv: readonly string[], world: CliWorld): Promise<ExitCode> {
  // The reflector has its own flags: its `--collector` is another one.
  if (argv[0] === REFLECTOR) return (await world.reflect(argv.slice(1))) as ExitCode;
  const written = { out: "", err: "" };
  const program = createProgram(world, {
    out: (text) => {
      written.out += text;
    },
    err: (text) => {
      written.err += text;
    },
  });
  const exitCode = await program.root
    .parseAsync([...argv], { from: "user" })
    .then(program.exitCode, (error: unknown) => {
      const [message, code] = explained(error);
      written.err += message;
      return code;
    });
  if (written.out !== "") await world.stdout.write(written.out);
  if (written.err !== "") await world.stderr.write(visibleLines(written.err));
  return exitCode;
}

/** The message for an error, and the exit code. Commander has written its own messages by then. */
function explained(error: unknown): [message: string, code: ExitCode] {
  if (error instanceof CommanderError) return ["", error.exitCode === 0 ? EXIT.met : EXIT.usage];
  if (error instanceof CliError) return [errorText(error.message), error.exitCode];
  if (error instanceof CatalogueError) return [errorText(error.message), EXIT.usage];
  throw error;
}

function errorText(message: string): string {
  return `error: ${message}\n`;
}
