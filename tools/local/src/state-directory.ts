/** The directory of a run: configuration, logs, spool and store. One run uses it at a time. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { jsonFile, StartError } from "./ready.ts";

/** Files that the programs write once they are ready, with their process id. */
export const COLLECTOR_READY = "collector.ready.json";
export const LAB_STATE = "lab.json";

/**
 * Makes the directory, and removes ready files of a run that was killed. Throws StartError when a running process holds
 * it.
 */
export function claimStateDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const name of [COLLECTOR_READY, LAB_STATE]) {
    const path = join(directory, name);
    const holder = jsonFile<{ readonly pid: number }>(path);
    if (holder !== undefined && isAlive(holder.pid))
      throw new StartError(`--state-dir: "${directory}" is in use by process ${holder.pid}; want one of its own`);
    rmSync(path, { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
