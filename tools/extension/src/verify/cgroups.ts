/** Control groups that a run left behind because it was killed; after one that ended by itself there are none. */
import { globSync, rmdirSync } from "node:fs";
import { type Clock, pause } from "@lifeline/measure";

/** All begin so (container-spec's `cgroup`). */
export const CGROUP_PREFIX = "lifeline-extension-";

/** The kernel needs a moment to empty them: tries, and the time between two, ms. */
const TRIES = 50;
const TRY_EVERY_MS = 20;

/** Removes them: of every hierarchy, whether one is mounted for each controller or one for all. */
export async function removeCgroups(clock: Clock): Promise<void> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const left = globSync([`/sys/fs/cgroup/${CGROUP_PREFIX}*`, `/sys/fs/cgroup/*/${CGROUP_PREFIX}*`]);
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
