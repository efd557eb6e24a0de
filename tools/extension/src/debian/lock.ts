/** The Debian packages that an image is made of, with their hashes: `debian.lock.json`. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { ExtensionError } from "../extension-error.ts";

/** A package of one architecture. */
export interface DebianPackage {
  readonly name: string;
  readonly architecture: "amd64" | "arm64";
  readonly version: string;
  /** Of the .deb, 64 hexadecimal characters. */
  readonly sha256: string;
}

/** The packages whose libraries are in the image. */
export const LIBRARIES: ReadonlySet<string> = new Set(["libc6", "libgcc-s1", "libstdc++6"]);

/**
 * The packages that a build needs: the libraries of each architecture; for amd64 also `strip` for both with its own
 * libraries, and the package that holds the copyright of GCC's libraries.
 */
export const WANTED: readonly Pick<DebianPackage, "name" | "architecture">[] = [
  ...(["amd64", "arm64"] as const).flatMap((architecture) => [...LIBRARIES].map((name) => ({ name, architecture }))),
  ...["binutils-multiarch", "gcc-12-base", "libzstd1", "zlib1g"].map((name) => ({
    name,
    architecture: "amd64" as const,
  })),
];

export const LOCK_FILE = join(import.meta.dirname, "../../debian.lock.json");

const schema = v.array(
  v.strictObject({
    name: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9+.-]+$/)),
    architecture: v.picklist(["amd64", "arm64"]),
    version: v.pipe(v.string(), v.regex(/^[A-Za-z0-9.+:~-]+$/)),
    sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  }),
);

/** The name that apt-get takes. */
export const named = ({ name, architecture }: Pick<DebianPackage, "name" | "architecture">) =>
  `${name}:${architecture}`;

/**
 * Reads the lock file. Throws ExtensionError `lock` when it is invalid, or does not list exactly the wanted packages.
 */
export function readLock(path: string): readonly DebianPackage[] {
  const packages = parsed(path);
  const got = packages.map(named).sort().join(" ");
  const want = WANTED.map(named).sort().join(" ");
  if (got !== want) throw new ExtensionError("lock", `${path}: got ${got || "nothing"}, want ${want}; --update-lock`);
  return packages;
}

function parsed(path: string): readonly DebianPackage[] {
  try {
    return v.parse(schema, JSON.parse(readFileSync(path, "utf8")));
  } catch (error) {
    throw new ExtensionError("lock", `${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Replaces the lock file. */
export function writeLock(path: string, packages: readonly DebianPackage[]): void {
  const sorted = [...packages].sort((one, other) => (named(one) < named(other) ? -1 : 1));
  writeFileSync(path, `${JSON.stringify(sorted, null, 2)}\n`);
}
