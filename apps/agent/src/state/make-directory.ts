/**
 * Makes a directory with its parents. Node's recursive mkdir never returns where a file system answers ENOENT below a
 * directory that exists, as /proc does.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** For this process's user only: reports name what a node talks to. */
const MODE = 0o700;

/**
 * Makes the directory and its missing parents, durably where possible. Throws the system's error, EEXIST when the path
 * is not a directory.
 */
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

/** The directories above `path` that are missing, topmost first: {@link makeDirectory} makes them too. */
export function missingParents(path: string): readonly string[] {
  const parent = dirname(path);
  if (parent === path || isThere(parent)) return [];
  return [...missingParents(parent), parent];
}

/** Whether the path exists. True when that cannot be found out: then it could not be made either. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

/** A new name is durable only when its directory is (fsync(2)). A directory that may not be read cannot be synced. */
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
