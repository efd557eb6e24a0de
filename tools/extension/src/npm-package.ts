/** Packages of the npm registry, fetched with npm, checked against pnpm-lock.yaml, and kept. */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { outputOf } from "./command.ts";
import { ExtensionError } from "./extension-error.ts";
import { readTar } from "./tar.ts";
import type { Tree } from "./tree.ts";

export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** Subresource integrity of the tarball, `sha512-` and base64. */
  readonly integrity: string;
}

/** The locked package called `name`. Throws ExtensionError `integrity` unless the lock file has it exactly once. */
export function lockedPackage(lockText: string, name: string): NpmPackage {
  const quoted = name.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
  const entry = new RegExp(`^ {2}'?${quoted}@([^':(]+)'?:\\n {4}resolution: \\{integrity: (sha512-[^}, ]+)`, "gm");
  const [found, ...others] = [...lockText.matchAll(entry)];
  if (found?.[1] === undefined || found[2] === undefined || others.length > 0)
    throw new ExtensionError("integrity", `pnpm-lock.yaml: ${name}: want it once, with its integrity`);
  return { name, version: found[1], integrity: found[2] };
}

/**
 * The wanted files of a package, by path in it. Throws ExtensionError `integrity` when the registry's bytes are not the
 * locked ones.
 */
export async function readNpmPackage(
  wanted: NpmPackage,
  cacheDirectory: string,
  isWanted: (path: string) => boolean,
): Promise<Tree> {
  const tarball = await tarballOf(wanted, cacheDirectory);
  const tree = await readTar(gunzipSync(tarball), (path) => isWanted(path.replace(/^package\//, "")));
  return new Map([...tree].map(([path, entry]) => [path.replace(/^package\//, ""), entry]));
}

async function tarballOf(wanted: NpmPackage, cacheDirectory: string): Promise<Buffer> {
  const path = join(cacheDirectory, `${wanted.name.replace("/", "-")}-${wanted.version}.tgz`);
  const kept = await readFile(path).catch(() => undefined);
  if (kept !== undefined && integrityOf(kept) === wanted.integrity) return kept;
  await mkdir(cacheDirectory, { recursive: true });
  const draft = await mkdtemp(join(cacheDirectory, "draft-"));
  try {
    const specifier = `${wanted.name}@${wanted.version}`;
    await outputOf("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", draft, specifier], draft);
    const [file = ""] = await readdir(draft);
    const fetched = await readFile(join(draft, file));
    checkIntegrity(fetched, wanted);
    await rename(join(draft, file), path);
    return fetched;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Throws ExtensionError `integrity` when the bytes are not the locked ones. */
export function checkIntegrity(tarball: Uint8Array, { name, version, integrity }: NpmPackage): void {
  const got = integrityOf(tarball);
  if (got !== integrity) throw new ExtensionError("integrity", `${name}@${version}: got ${got}, want ${integrity}`);
}

const integrityOf = (bytes: Uint8Array) => `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
