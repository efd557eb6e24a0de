/**
 * The validator of a system extension's layer: Talos's own rules, in its words, and those that Talos does not have.
 *
 * 1. Pure: entries in, problems out, all of them at once.
 * 2. Talos's rules are those of its imager and of its service runner; what only they refuse is told in their words.
 * 3. Everything else is what passes there and then fails, or means something else, on a node. Each such rule has a bad tree in the tests.
 */
import { checkEntrypoint, checkLinks, checkPrograms } from "./container-tree.ts";
import { liesIn, parentsOf, treePath } from "./layer-tree.ts";
import { checkManifest, MANIFEST } from "./manifest.ts";
import { type Problem, type ProblemCode, quoted } from "./problem.ts";
import { checkServiceFile, type ServiceFile } from "./service-file.ts";
import type { Architecture, TarEntry } from "./tar-entry.ts";
import type { CoreVersion } from "./version-range.ts";

/** The only folder of the host that an extension of ours puts files into. */
export const ALLOWED_FOLDER = "rootfs/usr/local";

/** Folders of the service files and of the containers' roots. */
export const SERVICES_FOLDER = `${ALLOWED_FOLDER}/etc/containers`;
export const CONTAINERS_FOLDER = `${ALLOWED_FOLDER}/lib/containers`;

/** Most bytes of all files, unpacked: a Node of 121 MiB, 5 of glibc and libstdc++, and a bundle. */
export const UNPACKED_MAX_BYTES = 144 * 1024 * 1024;

/** What is checked for. */
export interface ValidationOptions {
  readonly architecture: Architecture;
  /** Versions of Talos that the manifest must be for. Default: none is asked for. */
  readonly talos?: readonly CoreVersion[];
  /** Default: {@link UNPACKED_MAX_BYTES}. */
  readonly unpackedMaxBytes?: number;
}

/** What came of it. */
export interface Validation {
  readonly problems: readonly Problem[];
  /** The one service, where its file is of the schema. */
  readonly service: { readonly root: string; readonly file: ServiceFile } | undefined;
}

/** Validates a layer. */
export function validateExtension(entries: Iterable<TarEntry>, options: ValidationOptions): Validation {
  const { tree, problems } = plant(entries);
  const { service, problems: ofService } = checkService(tree);
  const manifest = tree.get(MANIFEST);
  const all = [
    ...problems,
    ...checkTop(tree),
    ...(manifest?.type === "file" ? checkManifest(manifest.bytes, options.talos ?? []) : []),
    ...ofService,
    ...(service === undefined ? [] : checkPrograms(tree, service.root, options.architecture)),
    ...checkLinks(tree, service?.root ?? CONTAINERS_FOLDER),
    ...checkSize(tree, options.unpackedMaxBytes ?? UNPACKED_MAX_BYTES),
  ];
  return { problems: all, service };
}

interface Planted {
  readonly tree: ReadonlyMap<string, TarEntry>;
  readonly problems: readonly Problem[];
}

/** The entries by path, and what is wrong with each on its own. The first of two alike stays. */
function plant(entries: Iterable<TarEntry>): Planted {
  const tree = new Map<string, TarEntry>();
  const problems: Problem[] = [];
  const tell = (code: ProblemCode, path: string, found: string, want: string) =>
    problems.push({ code, path, found, want });
  for (const entry of entries) {
    const path = treePath(entry.path);
    if (path === undefined) {
      tell("bad-path", quoted(entry.path), "a path that is absolute, climbs, or is not plainly written", "rootfs/…");
      continue;
    }
    problems.push(...checkEntry(path, entry));
    if (path === "") continue;
    if (tree.has(path))
      tell("duplicate-entry", path, "the path again", "each path once: Talos's untar stops at the second");
    else tree.set(path, entry);
  }
  for (const path of tree.keys()) {
    const above = parentsOf(path).find((parent) => tree.has(parent) && tree.get(parent)?.type !== "directory");
    if (above !== undefined)
      tell("parent-not-directory", path, `it lies in ${above}, which is no folder`, "a folder there");
  }
  return { tree, problems };
}

const WORLD_WRITE = 0o002;
const SPECIAL_BITS = 0o7000;

function checkEntry(path: string, { type, mode, uid, gid, linkTarget }: TarEntry): Problem[] {
  const problems: Problem[] = [];
  const tell = (code: ProblemCode, found: string, want: string) => problems.push({ code, path, found, want });
  const shown = quoted(onHost(path));
  if (type === "hard-link")
    tell("hard-link", `a hard link to ${quoted(linkTarget)}`, "a file: Talos's untar leaves it empty");
  else if (!["file", "directory", "symlink"].includes(type))
    tell("special-file", `special files are not allowed: ${shown}`, "regular files, folders and symbolic links");
  if (type !== "symlink" && (mode & WORLD_WRITE) !== 0)
    tell("world-writable", `world-writeable files are not allowed: ${shown}`, "0755 or 0644");
  if (type !== "symlink" && (mode & SPECIAL_BITS) !== 0)
    tell("special-mode", `mode ${mode.toString(8)}`, "neither setuid, setgid nor sticky");
  if (uid !== 0 || gid !== 0) tell("not-root-owned", `owner ${uid}:${gid}`, "0:0");
  if (liesIn(path, "rootfs") && !isAllowed(path, type))
    tell("path-not-allowed", `path ${shown} is not allowed in extensions`, "everything below /usr/local");
  return problems;
}

/** Files lie below the allowed folder; folders lie there or on the way to it. */
function isAllowed(path: string, type: TarEntry["type"]): boolean {
  if (liesIn(path, ALLOWED_FOLDER)) return path !== ALLOWED_FOLDER || type === "directory";
  return type === "directory" && liesIn(ALLOWED_FOLDER, path);
}

/** A path of the layer as Talos names it: from the node's root. */
function onHost(path: string): string {
  return `/${path.replace(/^rootfs(\/|$)/, "")}`;
}

function checkTop(tree: ReadonlyMap<string, TarEntry>): readonly Problem[] {
  const problems: Problem[] = [];
  const tops = new Set([...tree.keys()].map((path) => path.split("/")[0] ?? ""));
  const want = "manifest.yaml and rootfs, and nothing beside them";
  for (const top of tops) {
    if (top !== MANIFEST && top !== "rootfs")
      problems.push({ code: "unexpected-file", path: top, found: `unexpected file ${quoted(top)}`, want });
  }
  if (tree.get(MANIFEST)?.type !== "file")
    problems.push({ code: "manifest-missing", path: "", found: "extension manifest is missing", want });
  if (!tops.has("rootfs"))
    problems.push({ code: "rootfs-missing", path: "", found: "extension rootfs is missing", want });
  return problems;
}

function checkService(tree: ReadonlyMap<string, TarEntry>): Validation {
  const files = [...tree].filter(([path, { type }]) => liesIn(path, SERVICES_FOLDER) && type === "file");
  const [first, ...more] = files;
  if (first === undefined) {
    const want = `${SERVICES_FOLDER}/NAME.yaml`;
    return {
      service: undefined,
      problems: [{ code: "service-file-missing", path: "", found: "no service file", want }],
    };
  }
  const [path, { bytes }] = first;
  const problems: Problem[] = more.map(([other]) => {
    return { code: "service-files-many", path: other, found: "another file of services", want: `${path} alone` };
  });
  const { value, problems: inFile } = checkServiceFile(path, bytes);
  problems.push(...inFile);
  if (value === undefined) return { service: undefined, problems };
  const root = `${CONTAINERS_FOLDER}/${value.name}`;
  problems.push(...checkNames(tree, path, value.name), ...checkEntrypoint(tree, root, path, value));
  return { service: { root, file: value }, problems };
}

/** The service's name, its file's and its root's are one word. */
function checkNames(tree: ReadonlyMap<string, TarEntry>, path: string, name: string): readonly Problem[] {
  const problems: Problem[] = [];
  const tell = (at: string, found: string) =>
    problems.push({ code: "name-mismatch", path: at, found, want: `${quoted(name)}, the service's name` });
  if (path !== `${SERVICES_FOLDER}/${name}.yaml`) tell(path, "a file of another name");
  const start = CONTAINERS_FOLDER.split("/").length;
  const inside = [...tree.keys()].filter((each) => liesIn(each, CONTAINERS_FOLDER) && each !== CONTAINERS_FOLDER);
  const roots = new Set(inside.map((each) => each.split("/")[start] ?? ""));
  if (!roots.has(name)) tell(CONTAINERS_FOLDER, "no folder of that name");
  for (const other of roots) if (other !== name) tell(`${CONTAINERS_FOLDER}/${other}`, "another container's root");
  return problems;
}

function checkSize(tree: ReadonlyMap<string, TarEntry>, maxBytes: number): readonly Problem[] {
  let sumBytes = 0;
  for (const { sizeBytes } of tree.values()) sumBytes += sizeBytes;
  if (sumBytes <= maxBytes) return [];
  const want = `at most ${maxBytes}: it stays in the node's memory for ever, compressed`;
  return [{ code: "too-large", path: "", found: `${sumBytes} bytes unpacked`, want }];
}
