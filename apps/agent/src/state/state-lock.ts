/**
 * One agent at a state directory. Two would drop each other's segments from the spool, and evidence with them (U1).
 *
 * The lock names its holder by process id and the time that process began (proc(5), field 22), so one that a `kill -9` left behind, or
 * that another process of the same id could be taken for, holds nobody: in a container every agent is process 1.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ConfigError, errorCode, problem } from "@lifeline/settings";
import { makeDirectory } from "./make-directory.ts";

/** The file, beside the spool. */
const LOCK_NAME = "agent.lock";

/** Takes the directory for this process; gives what lets go of it. @throws ConfigError `bad-value` when a living agent holds it, or no directory can be there. */
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
 * A file system that makes no directories (/proc) is a slip of the pen. A directory that cannot be written now, full or read-only, is
 * not: the spool lives in memory until it can.
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

/** Whether the lock could be created. A directory that cannot be written locks nobody out: the spool then lives in memory. */
function take(path: string, own: string): boolean {
  try {
    makeDirectory(dirname(path));
    writeFileSync(path, own, { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "EEXIST");
  }
}

/** The living process that holds the lock; undefined when there is none. */
function holderOf(path: string): number | undefined {
  const [pid, began] = textOf(path).trim().split(" ");
  const isHeld = pid !== undefined && began !== undefined && began !== "" && beginningOf(Number(pid)) === began;
  return isHeld ? Number(pid) : undefined;
}

/** When a process began, in clock ticks since boot, as the kernel writes it; empty when there is no such process. */
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
