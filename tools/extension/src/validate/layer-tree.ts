/**
 * A layer as a tree: its entries by path, and how links in it are followed.
 *
 * 1. Paths in the tree have no leading or trailing slash and no `.`; `""` is the root.
 * 2. A link is followed as a process would follow it whose root is the container's: `/` and `..` never lead out of there.
 */
import type { TarEntry } from "./tar-entry.ts";

/** The path of a tar's entry as the tree has it; undefined: it has `..`, an empty part or a control character in it. */
export function treePath(path: string): string | undefined {
  const parts = path.replace(/^\.?\/+/, "").replace(/\/$/, "");
  if (parts === "" || parts === ".") return "";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  if (/[\u0000-\u001f\u007f]/.test(parts) || path.startsWith("/")) return undefined;
  return parts.split("/").some((part) => part === "" || part === "." || part === "..") ? undefined : parts;
}

/** True when `path` is `folder` or lies in it, part by part: `usr/localfoo` does not lie in `usr/local`. */
export function liesIn(path: string, folder: string): boolean {
  return folder === "" || path === folder || path.startsWith(`${folder}/`);
}

/** The folders above a path, the nearest last. */
export function parentsOf(path: string): readonly string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, at) => parts.slice(0, at + 1).join("/"));
}

/** Most links that are followed for one path: MAXSYMLINKS of the kernel's namei.h. */
const LINKS_MAX = 40;

/** Where a path leads. */
export type Resolution =
  | { readonly kind: "found"; readonly path: string; readonly entry: TarEntry | undefined }
  | { readonly kind: "missing"; readonly path: string }
  | { readonly kind: "loop" };

/**
 * Follows `path`, as seen from the container whose root is the folder `root` of the tree. `entry` of what was found is undefined for a
 * folder that stands in the tar by its content alone.
 */
export function resolveIn(tree: ReadonlyMap<string, TarEntry>, root: string, path: string): Resolution {
  const waiting = path.split("/");
  const at: string[] = [];
  let links = 0;
  while (waiting.length > 0) {
    const part = waiting.shift();
    if (part === undefined || part === "" || part === ".") continue;
    if (part === "..") {
      at.pop();
      continue;
    }
    const here = [root, ...at, part].join("/");
    const entry = tree.get(here);
    if (entry?.type === "symlink") {
      links += 1;
      if (links > LINKS_MAX) return { kind: "loop" };
      if (entry.linkTarget.startsWith("/")) at.length = 0;
      waiting.unshift(...entry.linkTarget.split("/"));
      continue;
    }
    if (entry === undefined && !hasContent(tree, here)) return { kind: "missing", path: here };
    at.push(part);
  }
  const found = [root, ...at].join("/");
  return { kind: "found", path: found, entry: tree.get(found) };
}

function hasContent(tree: ReadonlyMap<string, TarEntry>, folder: string): boolean {
  for (const path of tree.keys()) if (path !== folder && liesIn(path, folder)) return true;
  return false;
}

/** How often a symlink's text goes above the folder that it stands in, at the most: more than `depth` leads out. */
export function climbs(target: string): number {
  let depth = 0;
  let highest = 0;
  for (const part of target.split("/")) {
    if (part === "" || part === ".") continue;
    depth += part === ".." ? -1 : 1;
    highest = Math.max(highest, -depth);
  }
  return highest;
}
