/** A small disk of its own that can be filled: a tmpfs in this process's own mount namespace. */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A directory, and whether it can be filled. */
export interface Disk {
  readonly path: string;
  /** Takes all that is free; false: it cannot be filled here. */
  fill(): boolean;
  /** Gives it back. */
  free(): void;
  /** Lets go of it: the directory is empty, and may be removed. */
  close(): void;
}

/** Set by the program that gave this one a mount namespace of its own. */
export const ISOLATED = "CRASH_ISOLATED";

/** Makes a disk of `bytes` at `path` where mounts are private; a plain directory elsewhere. */
export function makeDisk(path: string, bytes: number): Disk {
  mkdirSync(path, { recursive: true });
  const isOwn = process.env[ISOLATED] === "1";
  if (isOwn) execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes},mode=0700`, "lifeline-crash", path]);
  const filler = join(path, "filler");
  return {
    path,
    fill() {
      if (!isOwn) return false;
      const { bavail, bsize } = statfsSync(path);
      try {
        writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize)));
      } catch {
        // Somebody took a block in between: as much as there was is taken.
      }
      return true;
    },
    free: () => rmSync(filler, { force: true }),
    close() {
      if (isOwn) execFileSync("umount", [path]);
    },
  };
}
