/**
 * Writes images as an OCI image layout 1.1 (image-spec: image-layout.md, image-index.md, manifest.md, config.md).
 *
 * 1. `index.json` names the manifest of each platform, for Talos's imager, and a tagged index of the same manifests,
 *    for skopeo.
 * 2. The same layers, configuration and time give the same digests.
 */
import { createHash } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { Architecture } from "./architecture.ts";

/** A packed layer. */
export interface Layer {
  readonly gzip: Uint8Array;
  /** sha256 of the tar archive in it, for the configuration. */
  readonly diffId: string;
}

/** `config` of an image's configuration. */
export interface ImageSettings {
  readonly Entrypoint?: readonly string[];
  readonly Env?: readonly string[];
  readonly User?: string;
  readonly WorkingDir?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
}

export interface PlatformImage {
  readonly architecture: Architecture;
  readonly layers: readonly Layer[];
  readonly settings: ImageSettings;
}

/** What is the same for all architectures. */
export interface ImageFacts {
  readonly tag: string;
  /** By their full names (image-spec: annotations.md). */
  readonly annotations: Readonly<Record<string, string>>;
  /** Seconds since 1970. */
  readonly createdSeconds: number;
}

/** Digests, `sha256:` and 64 hexadecimal characters; empty for an architecture without an image. */
export interface LayoutDigests {
  readonly index: string;
  readonly manifests: Readonly<Record<Architecture["name"], string>>;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const pack = promisify(gzip);

const OCI = "application/vnd.oci.image";
/** The highest of DEFLATE: layers are packed seldom and pulled often. */
const GZIP_LEVEL = 9;

/**
 * Packs a tar archive at `level` of DEFLATE, 0 to 9, default 9. Node writes neither a name nor a time into the header.
 */
export async function layerOf(tar: Uint8Array, level = GZIP_LEVEL): Promise<Layer> {
  return { gzip: await pack(tar, { level }), diffId: digestOf(tar) };
}

/** Replaces `directory` by a layout of the images, one for each architecture. */
export async function writeLayout(
  directory: string,
  images: readonly PlatformImage[],
  facts: ImageFacts,
): Promise<LayoutDigests> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(join(directory, "blobs/sha256"), { recursive: true });
  const write = async (mediaType: string, bytes: Uint8Array): Promise<Descriptor> => {
    const digest = digestOf(bytes);
    await writeFile(join(directory, "blobs", digest.replace(":", "/")), bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const manifests: (Descriptor & { readonly platform: { readonly architecture: string; readonly os: string } })[] = [];
  for (const image of images) {
    const layers = [];
    for (const { gzip } of image.layers) layers.push(await write(`${OCI}.layer.v1.tar+gzip`, gzip));
    const config = await write(`${OCI}.config.v1+json`, json(configOf(image, facts)));
    const { annotations } = facts;
    const manifest = { schemaVersion: 2, mediaType: `${OCI}.manifest.v1+json`, config, layers, annotations };
    const platform = { architecture: image.architecture.name, os: "linux" };
    manifests.push({ ...(await write(manifest.mediaType, json(manifest))), platform });
  }
  const index = { schemaVersion: 2, mediaType: `${OCI}.index.v1+json`, manifests, annotations: facts.annotations };
  const nested = await write(index.mediaType, json(index));
  const tagged = { ...nested, annotations: { "org.opencontainers.image.ref.name": facts.tag } };
  const entries = { schemaVersion: 2, mediaType: index.mediaType, manifests: [...manifests, tagged] };
  await writeFile(join(directory, "index.json"), json(entries));
  await writeFile(join(directory, "oci-layout"), json({ imageLayoutVersion: "1.0.0" }));
  const digestFor = (name: Architecture["name"]) =>
    manifests.find(({ platform }) => platform.architecture === name)?.digest ?? "";
  return { index: nested.digest, manifests: { amd64: digestFor("amd64"), arm64: digestFor("arm64") } };
}

function configOf({ architecture, layers, settings }: PlatformImage, { createdSeconds }: ImageFacts) {
  const created = new Date(createdSeconds * 1_000).toISOString();
  return {
    created,
    architecture: architecture.name,
    os: "linux",
    config: settings,
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(() => ({ created, created_by: "npm run extension" })),
  };
}

const json = (value: object) => new TextEncoder().encode(JSON.stringify(value));

const digestOf = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
