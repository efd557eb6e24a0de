/**
 * Reads the layer of one architecture from an OCI image layout (image-spec v1.1, image-layout.md).
 *
 * 1. Every blob must have the digest and the size that name it; the layer must have the diff_id of the configuration.
 * 2. Unpacking is bounded.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import * as v from "valibot";
import type { ArchitectureName } from "./architecture.ts";
import { ExtensionError } from "./extension-error.ts";
import { readImageTar } from "./tar.ts";
import type { Tree } from "./tree.ts";

/** The layer of one architecture. */
export interface StoredLayer {
  /** Digest of the manifest of this architecture. */
  readonly manifestDigest: string;
  readonly tree: Tree;
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

/** Most bytes of a layer, unpacked: seven times what the extension has. */
const LAYER_MAX_BYTES = 1024 * 1024 * 1024;

/**
 * Reads the one layer of `architecture`. Throws ExtensionError: `layout` when a file is missing or malformed,
 * `integrity` when its bytes do not match, `tree` when the layer holds something that an image must not.
 */
export async function readLayer(directory: string, architecture: ArchitectureName): Promise<StoredLayer> {
  const { manifests } = json("index.json", await file(directory, "index.json"), index);
  const chosen = manifests.find((each) => each.platform?.os === "linux" && each.platform.architecture === architecture);
  if (chosen === undefined)
    throw new ExtensionError("layout", `index.json: names no manifest for linux/${architecture}`);
  const { config, layers } = json(chosen.digest, await blob(directory, chosen), manifest);
  const image = json(config.digest, await blob(directory, config), configuration);
  const [layer, ...more] = layers;
  if (layer === undefined || more.length > 0 || layer.mediaType !== GZIP_LAYER)
    throw new ExtensionError("layout", `${chosen.digest}: got ${layers.length} layers, want one ${GZIP_LAYER}`);
  if (image.os !== "linux" || image.architecture !== architecture)
    throw new ExtensionError(
      "layout",
      `${config.digest}: got ${image.os}/${image.architecture}, want linux/${architecture}`,
    );
  const tar = unpacked(layer.digest, await blob(directory, layer));
  const diffId = digestOf(tar);
  if (image.rootfs.diff_ids.length !== 1 || image.rootfs.diff_ids[0] !== diffId)
    throw new ExtensionError(
      "integrity",
      `${config.digest}: diff_ids ${image.rootfs.diff_ids.join(", ")}, want ${diffId}`,
    );
  return { manifestDigest: chosen.digest, tree: await readImageTar(tar), packedBytes: layer.size };
}

async function file(directory: string, name: string): Promise<Buffer> {
  try {
    return await readFile(join(directory, name));
  } catch (error) {
    throw new ExtensionError("layout", `${join(directory, name)} cannot be read; npm run extension writes it`, {
      cause: error,
    });
  }
}

async function blob(directory: string, { digest, size }: Descriptor): Promise<Buffer> {
  const bytes = await file(directory, join("blobs", digest.replace(":", "/")));
  if (bytes.length !== size) throw new ExtensionError("integrity", `${digest}: ${bytes.length} bytes, want ${size}`);
  if (digestOf(bytes) !== digest) throw new ExtensionError("integrity", `${digest}: its bytes are ${digestOf(bytes)}`);
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
    throw new ExtensionError("layout", `${name}: is not JSON`, { cause: error });
  }
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  throw new ExtensionError("layout", `${name}: ${v.getDotPath(result.issues[0]) ?? ""}: ${result.issues[0].message}`);
}

function unpacked(name: string, bytes: Uint8Array): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: LAYER_MAX_BYTES });
  } catch (error) {
    throw new ExtensionError("layout", `${name}: is no gzip file of at most ${LAYER_MAX_BYTES} bytes unpacked`, {
      cause: error,
    });
  }
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
