/** The squashed extension as Talos mounts it: through a loop device, under an overlay. */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { outputOf } from "../command.ts";

/**
 * Mounts a squashed file read-only, through a loop device that is freed with the mount. Throws ExtensionError
 * `command`.
 */
export async function mountSquashfs(file: string, at: string): Promise<void> {
  mkdirSync(at, { recursive: true });
  await outputOf("mount", ["-t", "squashfs", "-o", "loop,ro", file, at]);
}

/** A root that can be written to, over one that cannot. */
export interface Overlay {
  readonly root: string;
  /** What was written over the lower root: path → a hash, or the kind of file. */
  written(): ReadonlyMap<string, string>;
}

/** Mounts an overlay over `lower`, in `directory`. Throws ExtensionError `command`. */
export async function mountOverlay(lower: string, directory: string): Promise<Overlay> {
  const [upper, work, root] = ["upper", "work", "root"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  for (const each of [upper, work, root]) mkdirSync(each, { recursive: true });
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  await outputOf("mount", ["-t", "overlay", "-o", options, "overlay", root]);
  return { root, written: () => contentOf(upper) };
}

function contentOf(directory: string): ReadonlyMap<string, string> {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return new Map(
    entries.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const what = entry.isFile()
        ? createHash("sha256").update(readFileSync(path)).digest("hex")
        : entry.isSymbolicLink()
          ? `link to ${readlinkSync(path)}`
          : entry.isDirectory()
            ? "directory"
            : "special";
      return [path.slice(directory.length), what];
    }),
  );
}
