/** The locked Debian packages, from the cache or the archive. Other bytes than the locked ones are refused. */
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { outputOf } from "../command.ts";
import { ExtensionError } from "../extension-error.ts";
import { readTar } from "../tar.ts";
import type { Tree } from "../tree.ts";
import type { DebianArchive } from "./apt.ts";
import { type DebianPackage, named, WANTED } from "./lock.ts";

/**
 * Path of a locked package in `cacheDirectory`, fetched if it is not there. Throws ExtensionError as {@link
 * fetchLocked} does.
 */
export async function debOf(
  locked: DebianPackage,
  cacheDirectory: string,
  archive: () => Promise<DebianArchive>,
): Promise<string> {
  const path = join(cacheDirectory, `${locked.sha256}.deb`);
  const kept = await readFile(path).catch(() => undefined);
  if (kept !== undefined && sha256Of(kept) === locked.sha256) return path;
  const fetched = await fetchLocked(locked, await archive());
  await mkdir(cacheDirectory, { recursive: true });
  await writeFile(path, fetched);
  return path;
}

/**
 * The locked bytes from the archive. Throws ExtensionError `lock` when it has other bytes, or no longer has the
 * version.
 */
export async function fetchLocked(locked: DebianPackage, archive: DebianArchive): Promise<Uint8Array> {
  const exact = `${named(locked)}=${locked.version}`;
  const offer = await archive.offer(exact);
  if (offer === undefined) {
    const newest = (await archive.offer(named(locked)))?.version ?? "none";
    throw new ExtensionError("lock", `${exact}: Debian has ${newest} now; update the lock file with --update-lock`);
  }
  if (offer.sha256 !== locked.sha256) throw refusal(exact, offer.sha256, locked.sha256);
  const fetched = await archive.fetch(exact);
  if (sha256Of(fetched) !== locked.sha256) throw refusal(exact, sha256Of(fetched), locked.sha256);
  return fetched;
}

/** The newest of each wanted package. Throws ExtensionError `lock` when the archive lacks one. */
export async function newestPackages(archive: DebianArchive): Promise<DebianPackage[]> {
  const newest: DebianPackage[] = [];
  for (const wanted of WANTED) {
    const offer = await archive.offer(named(wanted));
    if (offer === undefined) throw new ExtensionError("lock", `${named(wanted)}: is not in the archive`);
    newest.push({ ...wanted, version: offer.version, sha256: offer.sha256 });
  }
  return newest;
}

/** The files of a .deb. */
export async function readDeb(path: string): Promise<Tree> {
  return readTar(await outputOf("dpkg-deb", ["--fsys-tarfile", path]), () => true);
}

const refusal = (exact: string, got: string, want: string) =>
  new ExtensionError("lock", `${exact}: got sha256 ${got}, want ${want} as debian.lock.json has it`);

const sha256Of = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
