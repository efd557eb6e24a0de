/** Programs of this machine, run to their end. */
import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";
import { ExtensionError } from "./extension-error.ts";

const run = promisify(execFile);
/** The time that a slow mirror takes for 50 MB. */
const COMMAND_MAX_MS = 600_000;
/** The archive in a Debian package of glibc, unpacked, is 13 MB. */
const OUTPUT_MAX_BYTES = 256 * 1024 * 1024;

/** Whether a program is on PATH. */
export function isInstalled(command: string): boolean {
  return spawnSync("sh", ["-c", 'command -v "$1"', "sh", command], { stdio: "ignore" }).status === 0;
}

/**
 * Its standard output. Throws ExtensionError: `missing` when there is no such program, `command` when it fails, with
 * the end of its standard error.
 */
export async function outputOf(command: string, args: readonly string[], directory?: string): Promise<Buffer> {
  try {
    const options = { timeout: COMMAND_MAX_MS, maxBuffer: OUTPUT_MAX_BYTES, encoding: "buffer" as const };
    return (await run(command, args, directory === undefined ? options : { ...options, cwd: directory })).stdout;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT")
      throw new ExtensionError("missing", `${command} is not installed`);
    throw new ExtensionError("command", `${command} ${args[0] ?? ""}: ${endOfStderr(error)}`);
  }
}

function endOfStderr(error: unknown): string {
  const text = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
  return text.split("\n").slice(-3).join("; ") || String(error);
}
