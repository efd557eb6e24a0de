/** A small disk of its own that can be filled: a tmpfs in this process's own mount namespace. */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A directory, and whether it can be filled. */
export interface Disk {
  readonly path: string;
  /** Takes all free space; false: this disk cannot be filled. */
  fill(): boolean;
  /** Frees that space. */
  free(): void;
  /** Unmounts it, so that the directory can be removed. */
  close(): void;
}

/** Set when this process has a mount namespace of its own (main.ts). */
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
        // A program took a block in between: the disk is full all the same.
      }
      return true;
    },
    free: () => rmSync(filler, { force: true }),
    close() {
      if (isOwn) execFileSync("umount", [path]);
    },
  };
}
