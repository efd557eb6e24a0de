/** Programs of the machine, run to their end. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { ExtensionError } from "./extension-error.ts";

const run = promisify(execFile);
/** A slow mirror's time for 50 MB. */
const COMMAND_MAX_MS = 600_000;
/** The archive in a Debian package of glibc, unpacked, is 13 MB. */
const OUTPUT_MAX_BYTES = 256 * 1024 * 1024;

/** Its standard output. Throws `missing` when there is no such program, `command` when it fails, with the end of what it said. */
export async function outputOf(command: string, args: readonly string[], directory?: string): Promise<Buffer> {
  try {
    const options = { timeout: COMMAND_MAX_MS, maxBuffer: OUTPUT_MAX_BYTES, encoding: "buffer" as const };
    return (await run(command, args, directory === undefined ? options : { ...options, cwd: directory })).stdout;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT")
      throw new ExtensionError("missing", `${command} is not on this machine, and the image needs it`);
    throw new ExtensionError("command", `${command} ${args[0] ?? ""}: ${lastWords(error)}`);
  }
}

function lastWords(error: unknown): string {
  const said = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
  return said.split("\n").slice(-3).join("; ") || String(error);
}
