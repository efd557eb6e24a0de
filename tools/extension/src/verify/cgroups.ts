/** Control groups of containers: their processes, and removing those of a run that was killed. */
import { globSync, readFileSync, rmdirSync } from "node:fs";
import { type Clock, pause } from "@lifeline/measure";

/** The kernel empties them a moment after the processes end: tries, and the time between two, ms. */
const TRIES = 500;
const TRY_EVERY_MS = 20;

/** Process ids in the group of that name, as seen from here. */
export function processesOf(name: string): readonly number[] {
  const [file] = globSync([`/sys/fs/cgroup/${name}/cgroup.procs`, `/sys/fs/cgroup/*/${name}/cgroup.procs`]);
  if (file === undefined) return [];
  return readFileSync(file, "utf8").split("\n").filter(Boolean).map(Number);
}

/** Removes those whose names begin with `prefix`, with cgroup v1 (a hierarchy for each controller) and v2 alike. */
export async function removeCgroups(prefix: string, clock: Clock): Promise<void> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const left = globSync([`/sys/fs/cgroup/${prefix}*`, `/sys/fs/cgroup/*/${prefix}*`]);
    if (left.length === 0) return;
    for (const path of left) remove(path);
    await pause(clock, TRY_EVERY_MS);
  }
}

function remove(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EBUSY" && code !== "ENOENT") throw error;
  }
}
