/** Programs that are run to their end. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { VerifyError } from "./verify-error.ts";

/** Most of what a program says that is kept, characters. */
const SAID_MAX_CHARS = 4_096;

/** True when a program can be found. */
export function isInstalled(command: string): boolean {
  return spawnSync("sh", ["-c", 'command -v "$1"', "sh", command], { stdio: "ignore" }).status === 0;
}

/** Runs a program to its end; resolves with what it printed. @throws VerifyError `failed` with the end of what it complained. */
export async function run(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let [printed, complained] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (more: string) => {
    printed = (printed + more).slice(-SAID_MAX_CHARS);
  });
  child.stderr.setEncoding("utf8").on("data", (more: string) => {
    complained = (complained + more).slice(-SAID_MAX_CHARS);
  });
  const [status] = (await once(child, "close")) as [number | null];
  if (status === 0) return printed;
  const words = [command, ...args].join(" ");
  throw new VerifyError("failed", `${words}: status ${status}: ${(complained || printed).trim().slice(-600)}`);
}
