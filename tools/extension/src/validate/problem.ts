/** What is wrong with an extension. All problems are told at once. */

/** Stable names of what can be wrong. */
export const PROBLEM_CODES = [
  // What Talos itself refuses.
  "unexpected-file",
  "manifest-missing",
  "rootfs-missing",
  "manifest-version",
  "version-range",
  "version-unsatisfied",
  "path-not-allowed",
  "special-file",
  "duplicate-entry",
  "restart",
  "service-name",
  "entrypoint-empty",
  "depends-shape",
  // What Talos lets pass, and what then fails on a node, or says something else than was meant.
  "bad-path",
  "hard-link",
  "world-writable",
  "special-mode",
  "not-root-owned",
  "parent-not-directory",
  "symlink-outside",
  "symlink-broken",
  "yaml",
  "unknown-key",
  "wrong-value",
  "metadata-version",
  "service-file-missing",
  "service-files-many",
  "name-mismatch",
  "entrypoint",
  "argument-file",
  "heap-uncapped",
  "environment",
  "mount",
  "depends-holds-boot",
  "depends-cri",
  "loosened",
  "elf-damaged",
  "elf-machine",
  "elf-interpreter",
  "elf-library",
  "too-large",
] as const;

/** The name of what is wrong. */
export type ProblemCode = (typeof PROBLEM_CODES)[number];

/** One thing that is wrong. */
export interface Problem {
  readonly code: ProblemCode;
  /** Path in the layer; `""`: the layer itself. A field of a YAML file follows `#`. */
  readonly path: string;
  /** What was found; where Talos refuses it too, Talos's own words. */
  readonly found: string;
  /** What would be right. */
  readonly want: string;
}

/** A problem as a line. */
export function problemLine({ code, path, found, want }: Problem): string {
  return `${path === "" ? "layer" : path}: ${found}; want ${want} [${code}]`;
}

/** Go's `%q` of a text: quoted, with backslashes (strconv.Quote), as far as JSON's escapes are the same. */
export function quoted(text: string): string {
  return JSON.stringify(text);
}
