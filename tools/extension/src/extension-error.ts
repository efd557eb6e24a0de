import { EXIT_USAGE } from "@lifeline/harness";

/**
 * Why an image cannot be made, read or run. `code`:
 *
 * - `usage`: wrong arguments
 * - `missing`: a program, or the time of the source, is not on this machine
 * - `command`: a program failed
 * - `late`: a container did not do in time what it must
 * - `lock`: the Debian archive has other packages than the lock file
 * - `integrity`: bytes that do not match a lock file, a digest or a size
 * - `binary`: an ELF file that is not what is expected
 * - `tree`: paths or kinds of files that cannot be in one image
 * - `layout`: an OCI layout that cannot be read
 * - `licence`: a package that does not name its licence
 */
export class ExtensionError extends Error {
  readonly code:
    | "usage"
    | "missing"
    | "command"
    | "late"
    | "lock"
    | "integrity"
    | "binary"
    | "tree"
    | "layout"
    | "licence";
  constructor(code: ExtensionError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ExtensionError";
    this.code = code;
  }
}

/** The exit code of a program that ends with `error`; undefined: it is broken code. */
export function exitCodeOf(error: unknown): number | undefined {
  if (!(error instanceof ExtensionError)) return undefined;
  return error.code === "usage" ? EXIT_USAGE : 1;
}
