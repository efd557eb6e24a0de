/**
 * A tree of files as an image holds it: regular files, directories and symbolic links, by path.
 *
 * 1. A path is relative. No part of it is empty, `.` or `..`.
 * 2. Two trees with a file at the same path cannot be joined.
 * 3. Files are 0644 or 0755. Nothing is writable by others, setuid, or a hard link.
 */
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ExtensionError } from "./extension-error.ts";

export type TreeEntry =
  | { readonly kind: "file"; readonly bytes: Uint8Array; readonly isExecutable: boolean }
  | { readonly kind: "symlink"; readonly target: string }
  /** `owner` is uid and gid: 0, unless a program that is not root writes there. */
  | { readonly kind: "directory"; readonly owner: number };

export type Tree = ReadonlyMap<string, TreeEntry>;

/** Something that has files by path, such as a tree or this machine's root. */
export type Files = Pick<Tree, "get">;

export const DIRECTORY: TreeEntry = { kind: "directory", owner: 0 };

/** A file, 0644 unless it is executable. */
export function fileOf(content: string | Uint8Array, isExecutable = false): TreeEntry {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return { kind: "file", bytes, isExecutable };
}

/** The tree of these entries. Throws ExtensionError `tree` for a path that breaks the rules above. */
export function treeOf(entries: Readonly<Record<string, TreeEntry>>): Tree {
  for (const path of Object.keys(entries)) checkPath(path);
  return new Map(Object.entries(entries));
}

/** The same tree below `directory`. */
export function below(directory: string, tree: Tree): Tree {
  checkPath(directory);
  return new Map([...tree].map(([path, entry]) => [`${directory}/${path}`, entry]));
}

/**
 * All trees as one. A directory may be in several. Throws ExtensionError `tree` when a file's path is in another tree
 * too.
 */
export function joined(...trees: readonly Tree[]): Tree {
  const whole = new Map<string, TreeEntry>();
  for (const [path, entry] of trees.flatMap((tree) => [...tree])) {
    const before = whole.get(path);
    if (before !== undefined && !(before.kind === "directory" && entry.kind === "directory"))
      throw new ExtensionError("tree", `${path}: is in two trees, want each path once`);
    whole.set(path, entry);
  }
  return whole;
}

/**
 * Adds the directories that the paths go through; sorted by path, parents first. Throws ExtensionError `tree` when a
 * path goes through a file.
 */
export function complete(tree: Tree): Tree {
  const whole = new Map(tree);
  for (const path of tree.keys()) {
    for (let parent = dirname(path); parent !== "."; parent = dirname(parent)) {
      const entry = whole.get(parent) ?? DIRECTORY;
      if (entry.kind !== "directory") throw new ExtensionError("tree", `${path}: ${parent} is a ${entry.kind}`);
      whole.set(parent, entry);
    }
  }
  return new Map([...whole].sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** The bytes of the file at `path`. Throws ExtensionError `tree` when there is none. */
export function bytesAt(files: Files, path: string): Uint8Array {
  const entry = files.get(path);
  if (entry?.kind !== "file") throw new ExtensionError("tree", `${path}: got ${entry?.kind ?? "nothing"}, want a file`);
  return entry.bytes;
}

/** Writes the tree below `directory`, which it makes. All entries belong to the user of this process. */
export async function writeTree(tree: Tree, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const [path, entry] of complete(tree)) {
    const place = join(directory, path);
    if (entry.kind === "directory") await mkdir(place, { recursive: true });
    else if (entry.kind === "symlink") await symlink(entry.target, place);
    else await writeFile(place, entry.bytes, { mode: entry.isExecutable ? 0o755 : 0o644 });
  }
}

function checkPath(path: string): void {
  const wrong = path.split("/").find((part) => part === "" || part === "." || part === "..");
  if (wrong !== undefined) throw new ExtensionError("tree", `'${path}': want a relative path without '${wrong}'`);
}
