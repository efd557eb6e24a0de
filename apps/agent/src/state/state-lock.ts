/**
 * One agent for each state directory. Two would drop each other's segments from the spool, and evidence with them (U1).
 *
 * The lock names its holder by process id and the start time of that process (proc(5), field 22). A lock that a `kill
 * -9` left, or one whose process id belongs to another process now, is not held: in a container every agent is process
 * 1.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ConfigError, errorCode, problem } from "@lifeline/settings";
import { makeDirectory } from "./make-directory.ts";

/** The file, beside the spool. */
const LOCK_NAME = "agent.lock";

/**
 * Locks the directory for this process; returns the function that unlocks it. @throws ConfigError `bad-value` when a
 * running agent holds it, or no directory can be made there.
 */
export function lockState(stateDir: string, source: string): () => void {
  refuseImpossible(stateDir, source);
  const path = join(stateDir, LOCK_NAME);
  const own = `${process.pid} ${beginningOf(process.pid)}\n`;
  if (!take(path, own)) {
    const holder = holderOf(path);
    if (holder !== undefined) {
      const got = `"${stateDir}", which process ${holder} uses`;
      throw new ConfigError(problem("bad-value", source, got, "a directory of its own"));
    }
    rmSync(path, { force: true });
    take(path, own);
  }
  return () => rmSync(path, { force: true });
}

/**
 * Refuses a path on a file system without directories of our own (/proc): it is a mistake in the settings. A directory
 * that cannot be written now, full or read-only, is none: the spool stays in memory until it can be.
 */
function refuseImpossible(stateDir: string, source: string): void {
  try {
    makeDirectory(stateDir);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") return;
    const want = "a path at which a directory can be made";
    throw new ConfigError(problem("bad-value", source, JSON.stringify(stateDir), want));
  }
}

/** Whether the lock was created. True for a directory that cannot be written: the spool then stays in memory. */
function take(path: string, own: string): boolean {
  try {
    makeDirectory(dirname(path));
    writeFileSync(path, own, { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "EEXIST");
  }
}

/** The running process that holds the lock; undefined when there is none. */
function holderOf(path: string): number | undefined {
  const [pid, began] = textOf(path).trim().split(" ");
  const isHeld = pid !== undefined && began !== undefined && began !== "" && beginningOf(Number(pid)) === began;
  return isHeld ? Number(pid) : undefined;
}

/** Start time of a process, in clock ticks since boot, as the kernel writes it; empty when there is no such process. */
function beginningOf(pid: number): string {
  // The second field is the command in brackets, and may hold spaces and brackets itself.
  const fields = textOf(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ") ?? [];
  return fields[19] ?? "";
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
