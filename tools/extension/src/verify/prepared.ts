/** An extension as a node of Talos has it, before anything of it runs: its root, squashed, and its service. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { readLayer } from "../validate/oci-layout.ts";
import { readTarEntries } from "../validate/read-tar.ts";
import type { ServiceFile } from "../validate/service-file.ts";
import type { Architecture } from "../validate/tar-entry.ts";
import { validateExtension } from "../validate/validate-extension.ts";
import { squash, unpackLayer } from "./image.ts";
import { VerifyError } from "./verify-error.ts";

/** Ready to be mounted. */
export interface Prepared {
  /** The squashed file. */
  readonly squashed: string;
  readonly sizeBytes: number;
  /** The container's root in it. */
  readonly root: string;
  readonly service: ServiceFile;
}

/** The layer unpacked into `at`/layer; its container's root there, and its service. Rejects with a LayoutError, a TarError or a VerifyError. */
export async function unpack(from: string, architecture: Architecture, at: string) {
  const { tar } = await readLayer(from, architecture);
  const { service } = validateExtension(await readTarEntries(tar), { architecture });
  if (service === undefined) throw new VerifyError("failed", `${from}: no service in the layer of ${architecture}`);
  mkdirSync(at, { recursive: true });
  await unpackLayer(tar, join(at, "layer"));
  return { root: service.root, service: service.file };
}

/** Unpacks the layer of the OCI layout `from` and squashes it into `at`. Rejects as {@link unpack} does. */
export async function prepare(
  from: string,
  architecture: Architecture,
  at: string,
  zstdLevel: number,
): Promise<Prepared> {
  const { root, service } = await unpack(from, architecture, at);
  const squashed = join(at, "extension.squashfs");
  const sizeBytes = await squash(join(at, "layer/rootfs"), squashed, zstdLevel);
  return { squashed, sizeBytes, root: root.replace(/^rootfs\//, ""), service };
}
