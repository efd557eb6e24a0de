/** What an image is made of, fetched and held to the lock files: Node and koffi from npm, libraries and `strip` from Debian. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { AMD64, ARM64, type Architecture } from "./architecture.ts";
import { debianComponents, nativeComponent, nodeComponent, npmComponent } from "./components.ts";
import { openDebianArchive } from "./debian/apt.ts";
import { type DebianPackage, LIBRARIES, readLock, writeLock } from "./debian/lock.ts";
import { debOf, newestPackages, readDeb } from "./debian/packages.ts";
import { cutIcuData } from "./icu-data.ts";
import { librariesOf } from "./libraries.ts";
import { lockedPackage, readNpmPackage } from "./npm-package.ts";
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
  readonly nodeComponent: Component;
  readonly nativeComponent: Component;
}

export interface Supplies {
  readonly runtimes: Readonly<Record<Architecture["name"], Runtime>>;
  readonly strip: Strip;
  /** Node and the libraries, of both architectures. */
  readonly components: readonly Component[];
  /** koffi's native parts, of both. */
  readonly nativeComponents: readonly Component[];
}

export interface SupplyPlaces {
  /** The repository's root. */
  readonly root: string;
  /** What was fetched is kept here. */
  readonly cacheDirectory: string;
  readonly lockFile: string;
}

/** In Node's packages. */
const NODE = "bin/node";
const NODE_LICENCE = "LICENSE";

/** Fetches what is not there yet. Throws ExtensionError. */
export async function openSupplies(places: SupplyPlaces, say: (line: string) => void): Promise<Supplies> {
  const locked = readLock(places.lockFile);
  const debs = await readDebs(locked, places, say);
  const tools = filesOf(debs, ({ architecture }) => architecture === "amd64");
  const key = locked.find(({ name }) => name === "binutils-multiarch")?.sha256.slice(0, 16) ?? "";
  const strip = await openStrip(tools, join(places.cacheDirectory, `strip-${key}`));
  const runtimeFor = (architecture: Architecture) => {
    say(`node and koffi for ${architecture.name}`);
    const isIts = (one: DebianPackage) => one.architecture === architecture.name && LIBRARIES.has(one.name);
    return openRuntime(architecture, filesOf(debs, isIts), strip, places);
  };
  const both = await Promise.all([runtimeFor(AMD64), runtimeFor(ARM64)]);
  return {
    runtimes: { amd64: both[0], arm64: both[1] },
    strip,
    components: [...debianComponents(locked, tools), ...both.map((runtime) => runtime.nodeComponent)],
    nativeComponents: both.map((runtime) => runtime.nativeComponent),
  };
}

const filesOf = (debs: ReadonlyMap<DebianPackage, Tree>, isWanted: (one: DebianPackage) => boolean): Tree =>
  joined(...[...debs].flatMap(([one, tree]) => (isWanted(one) ? [tree] : [])));

async function openRuntime(
  architecture: Architecture,
  packages: Tree,
  strip: Strip,
  { root, cacheDirectory }: SupplyPlaces,
): Promise<Runtime> {
  const lockText = readFileSync(join(root, "pnpm-lock.yaml"), "utf8");
  const kept = join(cacheDirectory, "npm");
  const { nodeName } = architecture;
  const nodePackage = lockedPackage(lockText, `node-linux-${nodeName}`);
  const nodeFiles = await readNpmPackage(nodePackage, kept, (path) => path === NODE || path === NODE_LICENCE);
  const nativePackage = lockedPackage(lockText, `@koromix/koffi-linux-${nodeName}`);
  const nativePath = `linux_${nodeName}/koffi.node`;
  const nativeFiles = await readNpmPackage(nativePackage, kept, (path) => path === nativePath);

  const publishedNode = bytesAt(nodeFiles, NODE);
  const node = await strip(cutIcuData(publishedNode).program);
  const native = await strip(bytesAt(nativeFiles, nativePath));
  const libraries = librariesOf([node, native], packages, architecture);
  const licence = new TextDecoder().decode(bytesAt(nodeFiles, NODE_LICENCE));
  const koffi = npmComponent(join(root, "packages/probe/node_modules/koffi"));
  return {
    tree: joined(treeOf({ [NODE]: fileOf(node, true) }), libraries),
    native,
    publishedNode,
    nodeComponent: nodeComponent(nodePackage, licence),
    nativeComponent: nativeComponent(nativePackage, koffi),
  };
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
