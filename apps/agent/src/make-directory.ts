/** A directory with its parents. Node's own recursive mkdir never returns where a file system answers ENOENT below a directory that is there, as /proc does. */
import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** Only this process's user: reports name what a node talks to. */
const MODE = 0o700;

/** Makes the directory and what is missing above it. Throws the system's error, EEXIST when something else stands there. */
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
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
