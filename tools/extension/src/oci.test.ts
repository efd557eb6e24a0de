import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ARCHITECTURES } from "./architecture.ts";
import { layerOf, writeLayout } from "./oci.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "lifeline-oci-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const tar = new TextEncoder().encode("a layer");
const layer = await layerOf(tar);
const images = ARCHITECTURES.map((architecture) => ({
  architecture,
  layers: [layer],
  settings: { User: "65532" },
}));
const facts = {
  tag: "0.1.0",
  annotations: { "org.opencontainers.image.title": "made" },
  createdSeconds: 1_700_000_000,
};
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: object;
  readonly annotations?: object;
}
const jsonAt = async (...path: string[]) => JSON.parse(await readFile(join(directory, ...path), "utf8"));
const blob = (digest: string) => readFile(join(directory, "blobs", digest.replace(":", "/")));

describe("writeLayout", () => {
  it("names each platform's manifest, and an index of the same under a tag", async () => {
    const { index, manifests } = await writeLayout(directory, images, facts);
    const { manifests: entries } = (await jsonAt("index.json")) as { manifests: Descriptor[] };
    expect(entries.map(({ platform }) => platform)).toEqual([
      { architecture: "amd64", os: "linux" },
      { architecture: "arm64", os: "linux" },
      undefined,
    ]);
    expect(entries.map(({ digest }) => digest)).toEqual([manifests["amd64"], manifests["arm64"], index]);
    expect(entries[2]?.annotations).toEqual({ "org.opencontainers.image.ref.name": "0.1.0" });
    const nested = JSON.parse((await blob(index)).toString()) as { manifests: Descriptor[] };
    expect(nested.manifests).toEqual(entries.slice(0, 2));
    expect(await jsonAt("oci-layout")).toEqual({ imageLayoutVersion: "1.0.0" });
  });

  it("keeps every blob under its digest, with its size where it is named", async () => {
    await writeLayout(directory, images, facts);
    const names = await readdir(join(directory, "blobs/sha256"));
    for (const name of names) expect(sha256(await blob(`sha256:${name}`))).toBe(name);
    const { manifests: entries } = (await jsonAt("index.json")) as { manifests: Descriptor[] };
    for (const { digest, size } of entries) expect((await blob(digest)).length).toBe(size);
  });

  it("names in the configuration the layer as it is unpacked", async () => {
    const { manifests } = await writeLayout(directory, images, facts);
    const manifest = JSON.parse((await blob(manifests["arm64"] ?? "")).toString()) as {
      config: Descriptor;
      layers: Descriptor[];
    };
    const config = JSON.parse((await blob(manifest.config.digest)).toString());
    expect(config).toMatchObject({
      architecture: "arm64",
      os: "linux",
      config: { User: "65532" },
      created: "2023-11-14T22:13:20.000Z",
    });
    expect(config.rootfs).toEqual({ type: "layers", diff_ids: [`sha256:${sha256(tar)}`] });
    expect(gunzipSync(await blob(manifest.layers[0]?.digest ?? ""))).toEqual(Buffer.from(tar));
  });

  it("gives the same digests again, and others at another time", async () => {
    const first = await writeLayout(directory, images, facts);
    expect(await writeLayout(directory, images, facts)).toEqual(first);
    expect((await writeLayout(directory, images, { ...facts, createdSeconds: 1 })).index).not.toBe(first.index);
  });

  it("packs without a name and a time", async () => {
    // RFC 1952 §2.3: flags, then four bytes of time.
    expect([...(await layerOf(tar)).gzip.subarray(3, 8)]).toEqual([0, 0, 0, 0, 0]);
  });
});
