/**
 * Reads the layer of one architecture from an OCI image layout (image-spec v1.1, image-layout.md).
 *
 * 1. Every blob on the way is held against its digest and its size, and the layer against the diff_id of the configuration.
 * 2. Unpacking is bounded.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import * as v from "valibot";
import type { Architecture } from "./tar-entry.ts";

/** Why a layout cannot be used. `code`: `unreadable` (a file is not there, or is not of its format) or `digest`. */
export class LayoutError extends Error {
  readonly code: "unreadable" | "digest";
  constructor(code: LayoutError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "LayoutError";
    this.code = code;
  }
}

/** What was found. */
export interface Layer {
  /** Digest of the manifest of this architecture. */
  readonly manifestDigest: string;
  /** The tar, unpacked. */
  readonly tar: Uint8Array;
  /** Size of the blob, bytes. */
  readonly packedBytes: number;
}

const descriptor = v.object({
  mediaType: v.string(),
  digest: v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/, "sha256: and 64 hexadecimal characters")),
  size: v.pipe(v.number(), v.integer(), v.minValue(0)),
  platform: v.optional(v.object({ os: v.string(), architecture: v.string() })),
});
const index = v.object({ manifests: v.array(descriptor) });
const manifest = v.object({ config: descriptor, layers: v.array(descriptor) });
const configuration = v.object({
  os: v.string(),
  architecture: v.string(),
  rootfs: v.object({ diff_ids: v.array(v.string()) }),
});

type Descriptor = v.InferOutput<typeof descriptor>;

const GZIP_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";

/** Most bytes of a layer, unpacked: far beyond the budget, so that what is too large is told as that. */
const LAYER_MAX_BYTES = 1024 * 1024 * 1024;

/** Reads the one layer of `architecture`. @throws LayoutError */
export async function readLayer(folder: string, architecture: Architecture): Promise<Layer> {
  const { manifests } = json("index.json", await file(folder, "index.json"), index);
  const chosen = manifests.find((each) => each.platform?.os === "linux" && each.platform.architecture === architecture);
  if (chosen === undefined) throw new LayoutError("unreadable", `index.json: no manifest for linux/${architecture}`);
  const { config, layers } = json(chosen.digest, await blob(folder, chosen), manifest);
  const image = json(config.digest, await blob(folder, config), configuration);
  const [layer, ...more] = layers;
  if (layer === undefined || more.length > 0 || layer.mediaType !== GZIP_LAYER)
    throw new LayoutError("unreadable", `${chosen.digest}: got ${layers.length} layers, want one ${GZIP_LAYER}`);
  if (image.os !== "linux" || image.architecture !== architecture)
    throw new LayoutError(
      "unreadable",
      `${config.digest}: got ${image.os}/${image.architecture}, want linux/${architecture}`,
    );
  const tar = unpacked(layer.digest, await blob(folder, layer));
  const diffId = digestOf(tar);
  if (image.rootfs.diff_ids.length !== 1 || image.rootfs.diff_ids[0] !== diffId)
    throw new LayoutError("digest", `${config.digest}: diff_ids ${image.rootfs.diff_ids.join(", ")}, want ${diffId}`);
  return { manifestDigest: chosen.digest, tar, packedBytes: layer.size };
}

async function file(folder: string, name: string): Promise<Buffer> {
  try {
    return await readFile(join(folder, name));
  } catch (error) {
    throw new LayoutError("unreadable", `${join(folder, name)} cannot be read; npm run extension makes it`, {
      cause: error,
    });
  }
}

async function blob(folder: string, { digest, size }: Descriptor): Promise<Buffer> {
  const bytes = await file(folder, join("blobs", digest.replace(":", "/")));
  if (bytes.length !== size) throw new LayoutError("digest", `${digest}: ${bytes.length} bytes, want ${size}`);
  if (digestOf(bytes) !== digest) throw new LayoutError("digest", `${digest}: its bytes are ${digestOf(bytes)}`);
  return bytes;
}

function json<const Schema extends v.GenericSchema>(
  name: string,
  bytes: Uint8Array,
  schema: Schema,
): v.InferOutput<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (error) {
    throw new LayoutError("unreadable", `${name}: no JSON`, { cause: error });
  }
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  throw new LayoutError("unreadable", `${name}: ${v.getDotPath(result.issues[0]) ?? ""}: ${result.issues[0].message}`);
}

function unpacked(name: string, bytes: Uint8Array): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: LAYER_MAX_BYTES });
  } catch (error) {
    throw new LayoutError("unreadable", `${name}: no whole gzip of at most ${LAYER_MAX_BYTES} bytes`, { cause: error });
  }
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
