/** The agent as a Talos system extension. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bundleProgram } from "@lifeline/bundle";
import { AMD64, ARM64, type Architecture } from "./architecture.ts";
import { npmComponent } from "./components.ts";
import { applicationOf, bareRoot } from "./container.ts";
import type { Runtime, Supplies } from "./image-inputs.ts";
import { layerOf, writeLayout } from "./oci.ts";
import type { Release } from "./release.ts";
import { CONFIG_FILE, INSTALLED, manifestText, type ServiceKind, serviceText } from "./service.ts";
import { spdxText } from "./spdx.ts";
import { tarOf } from "./tar.ts";
import { below, DIRECTORY, fileOf, joined, type Tree, treeOf } from "./tree.ts";

/** What one architecture's image comes to. */
export interface ImageSize {
  /** Of `rootfs` as Talos packs it; null where there is no mksquashfs. */
  readonly squashfsBytes: number | null;
  /** Of the gzipped layer. */
  readonly layerBytes: number;
  /** Of its manifest. */
  readonly digest: string;
}

export type ExtensionResult = Readonly<Record<Architecture["name"], ImageSize>> & { readonly index: string };

const ENTRY = "apps/agent/src/main.ts";

/** What the image is for. */
export interface ExtensionMake {
  readonly kind: ServiceKind;
  /** What its container's root holds beside program and runtime: what the agent is told. */
  readonly told: Tree;
}

/** The extension of a node that has joined, for every fleet alike: what it is told comes with an ExtensionServiceConfig. */
export const FOR_EVERY_NODE: ExtensionMake = {
  kind: INSTALLED,
  told: treeOf({
    [CONFIG_FILE.slice(1)]: fileOf("# An ExtensionServiceConfig of Talos is mounted over this file.\n"),
  }),
};

/** Where things are, and what they are made of. */
export interface Building {
  /** The repository's root. */
  readonly root: string;
  readonly supplies: Supplies;
  readonly release: Release;
  /** Told what is being done. */
  readonly say: (line: string) => void;
}

/**
 * Builds both architectures into `out`. `measure` gives the bytes of a tree as Talos packs it, or undefined where that cannot be done. Throws
 * ExtensionError.
 */
export async function buildExtension(
  { root, supplies, release, say }: Building,
  make: ExtensionMake,
  out: string,
  measure: (rootfs: Tree) => Promise<number | undefined>,
): Promise<ExtensionResult> {
  const bundle = await bundleProgram(ENTRY);
  const { version, createdSeconds, licence } = release;
  const { name } = make.kind;
  const npm = bundle.packageFolders.map((folder) => npmComponent(join(root, folder)));
  const spdx = spdxText({ name, version, createdSeconds, licence }, [
    ...npm,
    ...supplies.components,
    ...supplies.nativeComponents,
  ]);
  await mkdir(out, { recursive: true });
  await writeFile(join(out, `${name}.spdx.json`), spdx);
  const packed = async (architecture: Architecture) => {
    say(`packing ${architecture.name}`);
    const runtime = supplies.runtimes[architecture.name];
    const rootfs = extensionRoot(make, applicationOf(bundle, runtime.native), runtime, spdx);
    const tar = await tarOf(layerTree(make, rootfs, version), createdSeconds);
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
export function layerTree({ kind }: ExtensionMake, rootfs: Tree, version: string): Tree {
  return joined(treeOf({ "manifest.yaml": fileOf(manifestText(kind, version)) }), below("rootfs", rootfs));
}

/** What Talos lays over its own root: the service, the inventory, and the container's root. */
export function extensionRoot(
  { kind, told }: ExtensionMake,
  application: Tree,
  runtime: Pick<Runtime, "tree">,
  spdx: string,
): Tree {
  const container = joined(bareRoot(0), mountPoints(kind), told, application, runtime.tree);
  return joined(
    treeOf({
      [`usr/local/etc/containers/${kind.name}.yaml`]: fileOf(serviceText(kind)),
      [`usr/local/share/spdx/${kind.name}.spdx.json`]: fileOf(spdx),
    }),
    below(`usr/local/lib/containers/${kind.name}`, container),
  );
}

/** What the service's mounts are mounted on. */
function mountPoints({ stateDirectory, isOnDisk }: ServiceKind): Tree {
  return treeOf({ ...(isOnDisk ? { [stateDirectory.slice(1)]: DIRECTORY } : {}), "etc/os-release": fileOf("") });
}
