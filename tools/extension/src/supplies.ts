/** What an image is made of, fetched and held to the lock files: Node and koffi from npm, libraries and `strip` from Debian. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ARCHITECTURES, type Architecture } from "./architecture.ts";
import { debianComponents, nativeComponent, nodeComponent, npmComponent } from "./components.ts";
import { openDebianArchive } from "./debian/apt.ts";
import { type DebianPackage, LIBRARIES, readLock, writeLock } from "./debian/lock.ts";
import { debOf, newestPackages, readDeb } from "./debian/packages.ts";
import { cutIcuData } from "./icu-data.ts";
import { librariesOf } from "./libraries.ts";
import { lockedPackage, type NpmPackage, readNpmPackage } from "./npm-package.ts";
import type { Component } from "./spdx.ts";
import { openStrip, type Strip } from "./strip.ts";
import { bytesAt, fileOf, joined, type Tree, treeOf } from "./tree.ts";

/** What runs a program on one architecture, ready for an image. */
export interface Runtime {
  /** `bin/node`, the loader and the libraries. */
  readonly tree: Tree;
  /** koffi's native part, stripped. */
  readonly native: Uint8Array;
  /** As it was published, for what each step gave. */
  readonly publishedNode: Uint8Array;
}

export interface Supplies {
  readonly runtimes: ReadonlyMap<Architecture["name"], Runtime>;
  readonly strip: Strip;
  /** Of the runtimes. */
  readonly components: readonly Component[];
}

export interface SupplyPlaces {
  /** The repository's root. */
  readonly root: string;
  /** What was fetched is kept here. */
  readonly cacheDirectory: string;
  readonly lockFile: string;
}

/** Node's binary, and koffi's for glibc. */
const NODE = "bin/node";
const NODE_LICENCE = "LICENSE";

/** Fetches what is not there yet. Throws ExtensionError. */
export async function openSupplies(places: SupplyPlaces, say: (line: string) => void): Promise<Supplies> {
  const locked = readLock(places.lockFile);
  const debs = await readDebs(locked, places, say);
  const tools = joined(...locked.flatMap((one) => (one.architecture === "amd64" ? [debs.get(one) ?? new Map()] : [])));
  const key = locked.find(({ name }) => name === "binutils-multiarch")?.sha256.slice(0, 16) ?? "";
  const strip = await openStrip(tools, join(places.cacheDirectory, `strip-${key}`));
  const lockText = readFileSync(join(places.root, "pnpm-lock.yaml"), "utf8");
  const runtimes = new Map<Architecture["name"], Runtime>();
  const koffi = npmComponent(join(places.root, "packages/probe/node_modules/koffi"));
  const components: Component[] = debianComponents(locked, tools);
  for (const architecture of ARCHITECTURES) {
    say(`node and koffi for ${architecture.name}`);
    const libraries = joined(
      ...locked.flatMap((one) =>
        one.architecture === architecture.name && LIBRARIES.has(one.name) ? [debs.get(one) ?? new Map()] : [],
      ),
    );
    const node = lockedPackage(lockText, `node-linux-${architecture.nodeName}`);
    const native = lockedPackage(lockText, `@koromix/koffi-linux-${architecture.nodeName}`);
    const nodeFiles = await readNpmPackage(node, join(places.cacheDirectory, "npm"), (path) =>
      [NODE, NODE_LICENCE].includes(path),
    );
    const nativeBytes = await readNative(native, architecture, places);
    runtimes.set(
      architecture.name,
      await runtimeOf(bytesAt(nodeFiles, NODE), nativeBytes, libraries, strip, architecture),
    );
    const licence = new TextDecoder().decode(bytesAt(nodeFiles, NODE_LICENCE));
    components.push(nodeComponent(node, licence), nativeComponent(native, koffi));
  }
  return { runtimes, strip, components };
}

async function readNative(native: NpmPackage, { nodeName }: Architecture, places: SupplyPlaces): Promise<Uint8Array> {
  const path = `linux_${nodeName}/koffi.node`;
  return bytesAt(await readNpmPackage(native, join(places.cacheDirectory, "npm"), (one) => one === path), path);
}

async function runtimeOf(
  publishedNode: Uint8Array,
  publishedNative: Uint8Array,
  packages: Tree,
  strip: Strip,
  architecture: Architecture,
): Promise<Runtime> {
  const node = await strip(cutIcuData(publishedNode).program);
  const native = await strip(publishedNative);
  const libraries = librariesOf([node, native], packages, architecture);
  return { tree: joined(treeOf({ [NODE]: fileOf(node, true) }), libraries), native, publishedNode };
}

async function readDebs(
  locked: readonly DebianPackage[],
  places: SupplyPlaces,
  say: (line: string) => void,
): Promise<ReadonlyMap<DebianPackage, Tree>> {
  let opening: ReturnType<typeof openDebianArchive> | undefined;
  const archive = () => {
    if (opening === undefined) say("Debian packages that are not here yet, by apt-get");
    opening ??= openDebianArchive(join(places.cacheDirectory, "apt"));
    return opening;
  };
  const debs = new Map<DebianPackage, Tree>();
  for (const one of locked)
    debs.set(one, await readDeb(await debOf(one, join(places.cacheDirectory, "debian"), archive)));
  return debs;
}

/** Replaces the Debian lock file by the newest that the archive has. Throws ExtensionError. */
export async function updateLock({
  cacheDirectory,
  lockFile,
}: Omit<SupplyPlaces, "root">): Promise<readonly DebianPackage[]> {
  const newest = await newestPackages(await openDebianArchive(join(cacheDirectory, "apt")));
  writeLock(lockFile, newest);
  return newest;
}
