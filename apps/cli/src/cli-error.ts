/** The one error of the command line: what went wrong, what to do, and the exit code. */
import { EXIT, type ExitCode } from "./exit-code.ts";

/** Stable codes, to branch on. */
export const CLI_ERROR_CODES = [
  "usage",
  "config",
  "not-found",
  "unreachable",
  "refused",
  "distrusted",
  "busy",
  "too-many",
  "interrupted",
] as const;
export type CliErrorCode = (typeof CLI_ERROR_CODES)[number];

const EXIT_BY_CODE: Readonly<Record<CliErrorCode, ExitCode>> = {
  usage: EXIT.usage,
  config: EXIT.usage,
  "not-found": EXIT.usage,
  unreachable: EXIT.unreachable,
  refused: EXIT.usage,
  distrusted: EXIT.usage,
  busy: EXIT.unreachable,
  "too-many": EXIT.usage,
  interrupted: EXIT.interrupted,
};

/** Thrown by commands; `run` prints the message to stderr and returns the exit code. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: CliErrorCode;

  constructor(code: CliErrorCode, message: string) {
    super(message);
    this.code = code;
  }

  get exitCode(): ExitCode {
    return EXIT_BY_CODE[this.code];
  }
}
