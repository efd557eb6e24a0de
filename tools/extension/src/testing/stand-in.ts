/**
 * An extension for tests: the service and the files of the image, with the Node and the libraries of this machine.
 * Linux only.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Bundle, bundleProgram, nativeModule } from "@lifeline/bundle";
import { architectureOf, HERE } from "../architecture.ts";
import { applicationOf } from "../container.ts";
import { type ExtensionVariant, extensionRoot, INSTALLED_VARIANT, layerTree } from "../extension.ts";
import { librariesOf } from "../libraries.ts";
import { layerOf, writeLayout } from "../oci.ts";
import { MAINTENANCE } from "../service.ts";
import { tarOf } from "../tar.ts";
import { type Files, fileOf, joined, type Tree, treeOf } from "../tree.ts";

/** This machine's architecture. */
export const ARCHITECTURE = architectureOf(HERE ?? "amd64");

/** The variant for maintenance mode. Nothing listens at the collector's address, and no collector issued the token. */
export const MAINTENANCE_VARIANT: ExtensionVariant = {
  service: MAINTENANCE,
  files: treeOf({
    "usr/local/etc/lifeline/agent.yaml": fileOf(
      `collector: 127.0.0.1:9\nenrol: { caFingerprint: "sha256:${"0".repeat(64)}" }\n`,
    ),
    "usr/local/etc/lifeline/join-token": fileOf("00000000.unknown\n"),
  }),
};

/** The agent of this checkout in one file. */
export const bundledAgent = (): Promise<Bundle> => bundleProgram("apps/agent/src/main.ts");

/** A program of one file. */
export function programOf(source: string): Bundle {
  return { code: Buffer.from(source), inputs: [], packageFolders: [], usesNative: false };
}

const machineFiles: Files = {
  get: (path) => (existsSync(`/${path}`) ? fileOf(readFileSync(`/${path}`), true) : undefined),
};

/** The layer with `program` as its agent. */
export function standIn(program: Bundle, variant = INSTALLED_VARIANT): Tree {
  const node = readFileSync(process.execPath);
  const nativePath = nativeModule();
  const native = nativePath === undefined ? new Uint8Array() : readFileSync(nativePath);
  const libraries = librariesOf(native.length === 0 ? [node] : [node, native], machineFiles, ARCHITECTURE);
  const tree = joined(treeOf({ "bin/node": fileOf(node, true) }), libraries);
  return layerTree(variant, extensionRoot(variant, applicationOf(program, native), { tree }, "{}"), "0.1.0");
}

/** Writes an OCI layout of the layer to `directory`, without compression: a Node takes seconds to pack. */
export async function writeStandIn(directory: string, layer: Tree): Promise<void> {
  const layers = [await layerOf(await tarOf(layer, 0), 0)];
  const facts = { tag: "0.1.0", annotations: {}, createdSeconds: 0 };
  await writeLayout(directory, [{ architecture: ARCHITECTURE, layers, settings: {} }], facts);
}

/** Path of a file of the container's root in the layer. */
export const inContainer = (path: string, { service }: ExtensionVariant = INSTALLED_VARIANT) =>
  join("rootfs/usr/local/lib/containers", service.name, path);
