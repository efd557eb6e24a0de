/**
 * What an image is made of, fetched and checked against the lock files: Node and koffi from npm, libraries and `strip`
 * from Debian.
 */
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

/** What a program of one architecture needs, ready for an image. */
export interface Runtime {
  /** `bin/node`, the loader and the libraries. */
  readonly tree: Tree;
  /** koffi's native part, stripped. */
  readonly native: Uint8Array;
  readonly nodeComponent: Component;
  readonly nativeComponent: Component;
}

export interface ImageInputs {
  readonly runtimes: Readonly<Record<Architecture["name"], Runtime>>;
  /** Node and the libraries, of both architectures. */
  readonly components: readonly Component[];
  /** koffi's native parts, of both. */
  readonly nativeComponents: readonly Component[];
}

export interface InputPaths {
  /** The repository's root. */
  readonly root: string;
  /** Fetched packages are kept here. */
  readonly cacheDirectory: string;
  readonly lockFile: string;
}

/** Paths in Node's npm package. */
const NODE = "bin/node";
const NODE_LICENCE = "LICENSE";

/** Fetches what the cache does not have. Throws ExtensionError. */
export async function fetchInputs(paths: InputPaths, log: (line: string) => void): Promise<ImageInputs> {
  const locked = readLock(paths.lockFile);
  const debs = await readDebs(locked, paths, log);
  const tools = filesOf(debs, ({ architecture }) => architecture === "amd64");
  const key = locked.find(({ name }) => name === "binutils-multiarch")?.sha256.slice(0, 16) ?? "";
  const strip = await openStrip(tools, join(paths.cacheDirectory, `strip-${key}`));
  const runtimeFor = (architecture: Architecture) => {
    log(`node and koffi for ${architecture.name}`);
    const isIts = (one: DebianPackage) => one.architecture === architecture.name && LIBRARIES.has(one.name);
    return openRuntime(architecture, filesOf(debs, isIts), strip, paths);
  };
  const both = await Promise.all([runtimeFor(AMD64), runtimeFor(ARM64)]);
  return {
    runtimes: { amd64: both[0], arm64: both[1] },
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
  { root, cacheDirectory }: InputPaths,
): Promise<Runtime> {
  const lockText = readFileSync(join(root, "pnpm-lock.yaml"), "utf8");
  const kept = join(cacheDirectory, "npm");
  const { nodeName } = architecture;
  const nodePackage = lockedPackage(lockText, `node-linux-${nodeName}`);
  const nodeFiles = await readNpmPackage(nodePackage, kept, (path) => path === NODE || path === NODE_LICENCE);
  const nativePackage = lockedPackage(lockText, `@koromix/koffi-linux-${nodeName}`);
  const nativePath = `linux_${nodeName}/koffi.node`;
  const nativeFiles = await readNpmPackage(nativePackage, kept, (path) => path === nativePath);

  const node = await strip(cutIcuData(bytesAt(nodeFiles, NODE)).program);
  const native = await strip(bytesAt(nativeFiles, nativePath));
  const libraries = librariesOf([node, native], packages, architecture);
  const licence = new TextDecoder().decode(bytesAt(nodeFiles, NODE_LICENCE));
  const koffi = npmComponent(join(root, "packages/probe/node_modules/koffi"));
  return {
    tree: joined(treeOf({ [NODE]: fileOf(node, true) }), libraries),
    native,
    nodeComponent: nodeComponent(nodePackage, licence),
    nativeComponent: nativeComponent(nativePackage, koffi),
  };
}

async function readDebs(
  locked: readonly DebianPackage[],
  paths: InputPaths,
  log: (line: string) => void,
): Promise<ReadonlyMap<DebianPackage, Tree>> {
  let opening: ReturnType<typeof openDebianArchive> | undefined;
  const archive = () => {
    if (opening === undefined) log("fetching Debian packages with apt-get");
    opening ??= openDebianArchive(join(paths.cacheDirectory, "apt"));
    return opening;
  };
  const debs = new Map<DebianPackage, Tree>();
  for (const one of locked)
    debs.set(one, await readDeb(await debOf(one, join(paths.cacheDirectory, "debian"), archive)));
  return debs;
}

/** Writes the archive's newest packages to the Debian lock file. Throws ExtensionError. */
export async function updateLock({
  cacheDirectory,
  lockFile,
}: Omit<InputPaths, "root">): Promise<readonly DebianPackage[]> {
  const newest = await newestPackages(await openDebianArchive(join(cacheDirectory, "apt")));
  writeLock(lockFile, newest);
  return newest;
}
