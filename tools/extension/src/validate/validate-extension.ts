/**
 * Checks a layer before it is on a node, where each of these faults costs a reboot.
 *
 * The rules are those that Talos lacks, and those of its service runner, which reads the service file only when it
 * boots. What Talos's imager refuses is left to the imager: it says so before anything is installed.
 */
import { type ArchitectureName, architectureOf } from "../architecture.ts";
import { isElf } from "../elf.ts";
import { ExtensionError } from "../extension-error.ts";
import { librariesOf } from "../libraries.ts";
import { bytesAt, type Tree } from "../tree.ts";
import { MANIFEST, manifestProblems } from "./manifest.ts";
import { readServiceFile, type ServiceFile } from "./service-file.ts";

/** The only directory of the host that the extension adds to. Talos compares text, and lets /usr/localfoo pass too. */
const ALLOWED_DIRECTORY = "rootfs/usr/local/";
const SERVICES_DIRECTORY = `${ALLOWED_DIRECTORY}etc/containers/`;
const CONTAINERS_DIRECTORY = `${ALLOWED_DIRECTORY}lib/containers/`;

/** Most bytes of all files: a Node of 121 MiB, 5 MiB of glibc and libstdc++, and a bundle. */
export const UNPACKED_MAX_BYTES = 144 * 1024 * 1024;

/** What was found. */
export interface Validation {
  /** A line each: path, what it is, and what would be right. */
  readonly problems: readonly string[];
  /** The service and the path of its container's root in the layer; undefined when its file cannot be used. */
  readonly service: { readonly root: string; readonly file: ServiceFile } | undefined;
}

/** Validates a layer as readLayer gives it. */
export function validateExtension(layer: Tree, architecture: ArchitectureName): Validation {
  const { service, problems } = checkService(layer);
  const manifest = layer.get(MANIFEST);
  const container = service === undefined ? new Map() : subtree(layer, `${service.root}/`);
  return {
    service,
    problems: [
      ...outsideProblems(layer),
      ...(manifest?.kind === "file"
        ? manifestProblems(manifest.bytes, service?.file.name)
        : [`${MANIFEST}: is not there`]),
      ...problems,
      ...(service === undefined ? [] : entrypointProblems(container, service.file)),
      ...programProblems(container, architecture),
      ...sizeProblems(layer),
    ],
  };
}

function outsideProblems(layer: Tree): readonly string[] {
  return [...layer].flatMap(([path, { kind }]) => {
    const isAbove = kind === "directory" && ALLOWED_DIRECTORY.startsWith(`${path}/`);
    if (path === MANIFEST || isAbove || path.startsWith(ALLOWED_DIRECTORY)) return [];
    return [`${path}: want ${MANIFEST} and files below ${ALLOWED_DIRECTORY} alone`];
  });
}

function checkService(layer: Tree): Validation {
  const files = [...layer.keys()].filter((each) => each.startsWith(SERVICES_DIRECTORY));
  const [path] = files;
  if (path === undefined || files.length > 1)
    return {
      service: undefined,
      problems: [`${SERVICES_DIRECTORY}: got ${files.length} files, want one service file`],
    };
  const { value: file, problems } = readServiceFile(path, bytesAt(layer, path));
  if (file === undefined) return { service: undefined, problems };
  const root = `${CONTAINERS_DIRECTORY}${file.name}`;
  const strays = [...layer.keys()].filter(
    (each) => each.startsWith(CONTAINERS_DIRECTORY) && each !== root && !each.startsWith(`${root}/`),
  );
  const names = [...(path === `${SERVICES_DIRECTORY}${file.name}.yaml` ? [] : [path]), ...strays];
  return {
    service: { root, file },
    problems: [...problems, ...names.map((each) => `${each}: want the service's name, "${file.name}"`)],
  };
}

/**
 * Everything that the service file names of the container's root is there; Talos looks only when it starts the
 * container.
 */
function entrypointProblems(container: Tree, { container: { entrypoint, args, mounts } }: ServiceFile) {
  const kindAt = (path: string) => container.get(path.slice(1))?.kind;
  const isMounted = (path: string) => mounts.some(({ destination }) => `${path}/`.startsWith(`${destination}/`));
  const program = container.get(entrypoint.slice(1));
  return [
    ...(program?.kind === "file" && program.isExecutable ? [] : [`${entrypoint}: want an executable file`]),
    ...args
      .filter((text) => text.startsWith("/") && !isMounted(text) && kindAt(text) !== "file")
      .map((text) => `${text}: an argument names it, and it is no file of the container's root`),
    ...mounts
      .filter(({ destination }) => kindAt(destination) === undefined)
      .map(({ destination }) => `${destination}: want something to mount over, because the root is read-only`),
  ];
}

/** Each ELF file is for the machine and executable, and has its interpreter and its libraries. */
function programProblems(container: Tree, architecture: ArchitectureName): readonly string[] {
  return [...container].flatMap(([path, entry]) => {
    if (entry.kind !== "file" || !isElf(entry.bytes)) return [];
    if (!entry.isExecutable) return [`${path}: mode 0644, want 0755`];
    try {
      librariesOf([entry.bytes], container, architectureOf(architecture));
      return [];
    } catch (error) {
      if (!(error instanceof ExtensionError)) throw error;
      return [`${path}: ${error.message}`];
    }
  });
}

/** The layer is compressed in the node's memory as long as the node is up. */
function sizeProblems(layer: Tree): readonly string[] {
  const sumBytes = [...layer.values()].reduce(
    (sum, entry) => sum + (entry.kind === "file" ? entry.bytes.length : 0),
    0,
  );
  return sumBytes <= UNPACKED_MAX_BYTES
    ? []
    : [`the layer: got ${sumBytes} bytes of files, want at most ${UNPACKED_MAX_BYTES}`];
}

function subtree(layer: Tree, prefix: string): Tree {
  return new Map(
    [...layer].flatMap(([path, entry]) =>
      path.startsWith(prefix) ? [[path.slice(prefix.length), entry] as const] : [],
    ),
  );
}
