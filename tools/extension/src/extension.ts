/** The agent as a Talos system extension. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bundleProgram } from "@lifeline/bundle";
import { AMD64, ARM64, type Architecture } from "./architecture.ts";
import { npmComponent } from "./components.ts";
import { applicationOf, bareRoot } from "./container.ts";
import type { ImageInputs, Runtime } from "./image-inputs.ts";
import { layerOf, writeLayout } from "./oci.ts";
import type { Release } from "./release.ts";
import { CONFIG_FILE, INSTALLED, manifestText, type ServiceOptions, serviceText } from "./service.ts";
import { spdxText } from "./spdx.ts";
import { tarOf } from "./tar.ts";
import { below, DIRECTORY, fileOf, joined, type Tree, treeOf } from "./tree.ts";

/** The image of one architecture. */
export interface ImageSize {
  /** Of `rootfs` as Talos packs it; null where mksquashfs is not installed. */
  readonly squashfsBytes: number | null;
  /** Of the gzipped layer. */
  readonly layerBytes: number;
  /** Of its manifest. */
  readonly digest: string;
}

export type ExtensionResult = Readonly<Record<Architecture["name"], ImageSize>> & { readonly index: string };

const ENTRY = "apps/agent/src/main.ts";

/** A variant of the extension. */
export interface ExtensionVariant {
  readonly service: ServiceOptions;
  /** Configuration in the root of its container. */
  readonly files: Tree;
}

/** For nodes that have joined, the same for every fleet: an ExtensionServiceConfig brings the configuration. */
export const INSTALLED_VARIANT: ExtensionVariant = {
  service: INSTALLED,
  files: treeOf({
    // Part of the image: changing the text changes its digest.
    [CONFIG_FILE.slice(1)]: fileOf("# Talos mounts the file of an ExtensionServiceConfig over this one.\n"),
  }),
};

/** What a build needs. */
export interface BuildContext {
  /** The repository's root. */
  readonly root: string;
  readonly inputs: ImageInputs;
  readonly release: Release;
  /** Takes a line for each step. */
  readonly log: (line: string) => void;
}

/**
 * Builds both architectures into `out`. `measure` returns the size of a tree as Talos packs it, bytes; undefined where
 * it cannot. Throws ExtensionError.
 */
export async function buildExtension(
  { root, inputs, release, log }: BuildContext,
  variant: ExtensionVariant,
  out: string,
  measure: (rootfs: Tree) => Promise<number | undefined>,
): Promise<ExtensionResult> {
  const bundle = await bundleProgram(ENTRY);
  const { version, createdSeconds, licence } = release;
  const { name } = variant.service;
  const npm = bundle.packageFolders.map((folder) => npmComponent(join(root, folder)));
  const spdx = spdxText({ name, version, createdSeconds, licence }, [
    ...npm,
    ...inputs.components,
    ...inputs.nativeComponents,
  ]);
  await mkdir(out, { recursive: true });
  await writeFile(join(out, `${name}.spdx.json`), spdx);
  const packed = async (architecture: Architecture) => {
    log(`packing ${architecture.name}`);
    const runtime = inputs.runtimes[architecture.name];
    const rootfs = extensionRoot(variant, applicationOf(bundle, runtime.native), runtime, spdx);
    const tar = await tarOf(layerTree(variant, rootfs, version), createdSeconds);
    await writeFile(join(out, `${name}-${architecture.name}.tar`), tar);
    const layer = await layerOf(tar);
    const sizes = { squashfsBytes: (await measure(rootfs)) ?? null, layerBytes: layer.gzip.length };
    return { image: { architecture, layers: [layer], settings: {} }, sizes };
  };
  const [amd64, arm64] = await Promise.all([packed(AMD64), packed(ARM64)]);
  const facts = { tag: version, annotations: release.annotations(name), createdSeconds };
  const { index, manifests } = await writeLayout(join(out, "oci"), [amd64.image, arm64.image], facts);
  return {
    amd64: { ...amd64.sizes, digest: manifests.amd64 },
    arm64: { ...arm64.sizes, digest: manifests.arm64 },
    index,
  };
}

/** The whole layer: the manifest, and `rootfs` of {@link extensionRoot}. */
export function layerTree({ service }: ExtensionVariant, rootfs: Tree, version: string): Tree {
  return joined(treeOf({ "manifest.yaml": fileOf(manifestText(service, version)) }), below("rootfs", rootfs));
}

/** What Talos adds to its own root: the service file, the inventory, and the container's root. */
export function extensionRoot(
  { service, files }: ExtensionVariant,
  application: Tree,
  runtime: Pick<Runtime, "tree">,
  spdx: string,
): Tree {
  const container = joined(bareRoot(0), mountPoints(service), files, application, runtime.tree);
  return joined(
    treeOf({
      [`usr/local/etc/containers/${service.name}.yaml`]: fileOf(serviceText(service)),
      [`usr/local/share/spdx/${service.name}.spdx.json`]: fileOf(spdx),
    }),
    below(`usr/local/lib/containers/${service.name}`, container),
  );
}

/** The files and directories that the service's mounts cover. */
function mountPoints({ stateDirectory, isOnDisk }: ServiceOptions): Tree {
  return treeOf({ ...(isOnDisk ? { [stateDirectory.slice(1)]: DIRECTORY } : {}), "etc/os-release": fileOf("") });
}
