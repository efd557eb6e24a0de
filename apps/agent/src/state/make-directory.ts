/** A directory with its parents. Node's own recursive mkdir never returns where a file system answers ENOENT below a directory that is there, as /proc does. */
import { closeSync, fsyncSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** Only this process's user: reports name what a node talks to. */
const MODE = 0o700;

/** Makes the directory and what is missing above it, durably where it can. Throws the system's error, EEXIST when something else stands there. */
export function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: MODE });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (isDirectory(path)) return;
    if (code !== "ENOENT" || dirname(path) === path || isDirectory(dirname(path))) throw error;
    makeDirectory(dirname(path));
    mkdirSync(path, { mode: MODE });
  }
  syncParent(path);
}

/** The directories above `path` that are not there, topmost first: what {@link makeDirectory} would make besides. */
export function missingParents(path: string): readonly string[] {
  const parent = dirname(path);
  if (parent === path || isThere(parent)) return [];
  return [...missingParents(parent), parent];
}

/** Whether there is anything; what cannot be looked at is none that could be made. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

/** The name of what was made is durable only when its directory is (fsync(2)); one that may not be read cannot be asked to. */
function syncParent(path: string): void {
  let parent: number | undefined;
  try {
    parent = openSync(dirname(path), "r");
    fsyncSync(parent);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
  } finally {
    if (parent !== undefined) closeSync(parent);
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
