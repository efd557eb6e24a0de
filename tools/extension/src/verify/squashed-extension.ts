/** An extension ready to be mounted: validated, unpacked and squashed. */
import { join } from "node:path";
import type { ArchitectureName } from "../architecture.ts";
import { ExtensionError } from "../extension-error.ts";
import { readLayer } from "../oci-layout.ts";
import { squash } from "../squashfs.ts";
import { writeTree } from "../tree.ts";
import type { ServiceFile } from "../validate/service-file.ts";
import { validateExtension } from "../validate/validate-extension.ts";

/** Ready to be mounted. */
export interface SquashedExtension {
  /** Path of the squashed file. */
  readonly squashed: string;
  readonly sizeBytes: number;
  /** Path of the container's root in it. */
  readonly root: string;
  readonly service: ServiceFile;
}

/** Unpacks the layer of one architecture to `directory`/layer. Returns its service. Throws ExtensionError. */
export async function unpackExtension(from: string, architecture: ArchitectureName, directory: string) {
  const { tree } = await readLayer(from, architecture);
  const { service, problems } = validateExtension(tree, architecture);
  if (service === undefined) throw new ExtensionError("tree", `${from}: ${architecture}: ${problems.join("; ")}`);
  await writeTree(tree, join(directory, "layer"));
  return { root: service.root, service: service.file };
}

/** Squashes the layer of one architecture into `directory`. Throws ExtensionError. */
export async function squashExtension(
  from: string,
  architecture: ArchitectureName,
  directory: string,
  zstdLevel: number,
): Promise<SquashedExtension> {
  const { root, service } = await unpackExtension(from, architecture, directory);
  const squashed = join(directory, "extension.squashfs");
  const sizeBytes = await squash(join(directory, "layer/rootfs"), squashed, zstdLevel);
  return { squashed, sizeBytes, root: root.replace(/^rootfs\//, ""), service };
}
