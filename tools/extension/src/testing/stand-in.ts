/** A small extension made of what this machine has: its Node, its C library, and the agent in one file. For tests. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { bundleProgram } from "@lifeline/bundle";
import { packTar, type TarHeader } from "modern-tar";
import { parse } from "yaml";
import { CONFIG_FILE, JOIN_TOKEN_FILE, MAINTENANCE, serviceText } from "../service.ts";
import { readElf } from "../validate/elf.ts";
import type { Architecture, TarEntry } from "../validate/tar-entry.ts";

/** The service's name. */
export const NAME = "lifeline-agent";

/** The container's root in the layer. */
export const ROOT = `rootfs/usr/local/lib/containers/${NAME}`;

/** A regular file. */
export function file(path: string, content: string | Uint8Array, mode = 0o644): TarEntry {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  return { path, type: "file", mode, uid: 0, gid: 0, linkTarget: "", sizeBytes: bytes.length, bytes };
}

/** A folder. */
export function folder(path: string): TarEntry {
  return {
    path: `${path}/`,
    type: "directory",
    mode: 0o755,
    uid: 0,
    gid: 0,
    linkTarget: "",
    sizeBytes: 0,
    bytes: new Uint8Array(),
  };
}

/** A manifest that is right. */
export const MANIFEST = {
  version: "v1alpha1",
  metadata: {
    name: NAME,
    version: "0.1.0",
    author: "Lifeline",
    description: "A stand-in for tests.",
    compatibility: { talos: { version: ">= v1.10.0" } },
  },
};

/** A service file that is right. */
export const SERVICE = {
  name: NAME,
  container: {
    entrypoint: "/bin/node",
    args: ["--max-old-space-size=48", "--max-semi-space-size=1", "--v8-pool-size=0", "/app/main.mjs"],
    environment: [
      "PATH=/bin",
      "HOME=/run",
      "TMPDIR=/run",
      "NODE_ENV=production",
      `LIFELINE_STATE_DIR=/var/lib/${NAME}`,
      "NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt",
    ],
    mounts: [
      { source: `/var/lib/${NAME}`, destination: `/var/lib/${NAME}`, type: "bind", options: ["bind", "rw"] },
      { source: "/etc/ssl/certs", destination: "/etc/ssl/certs", type: "bind", options: ["rbind", "ro"] },
      { source: "/etc/os-release", destination: "/etc/os-release", type: "bind", options: ["bind", "ro"] },
    ],
  },
  depends: [{ service: "cri" }],
  restart: "always",
};

/** A service file that is right for a machine in maintenance mode: the image's own, but for what the machine's Node and the bundle alone cannot. */
export function maintenanceService(): object {
  const service = parse(serviceText(MAINTENANCE));
  const { mounts, environment } = service.container;
  const stays = (line: string) => !line.startsWith("LIFELINE_RUN_AS_UID=");
  return {
    ...service,
    name: NAME,
    container: {
      ...SERVICE.container,
      args: [...SERVICE.container.args, "--config", CONFIG_FILE],
      environment: environment.filter(stays),
      mounts,
    },
  };
}

/** What the image of {@link maintenanceService} brings along: nobody is at the collector's address, nor is the token anybody's. */
export const TOLD = {
  [CONFIG_FILE]: `collector: 127.0.0.1:9\nenrol: { authority: "sha256:${"0".repeat(64)}" }\n`,
  [JOIN_TOKEN_FILE]: "00000000.nobodys\n",
};

/** Folders in which the machine's loader finds its libraries. */
const LIBRARIES = ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/lib64"];

/** The layer: `program` is the agent, or any text where nothing is run; `service` is its service file, `told` what stands in its root besides. */
export function standIn(
  program: string | Uint8Array,
  service: object = SERVICE,
  told: Readonly<Record<string, string>> = {},
): TarEntry[] {
  const files = new Map<string, Uint8Array>([["/bin/node", readFileSync(process.execPath)]]);
  const waiting = [...files.values()];
  for (let bytes = waiting.pop(); bytes !== undefined; bytes = waiting.pop()) {
    const { interpreter, needed } = readElf(bytes);
    const paths = needed.flatMap((name) => LIBRARIES.map((each) => `${each}/${name}`).find(existsSync) ?? []);
    for (const path of [...paths, ...(interpreter === undefined ? [] : [interpreter])]) {
      if (files.has(path)) continue;
      const content = readFileSync(path);
      files.set(path, content);
      waiting.push(content);
    }
  }
  const contents = [
    file("manifest.yaml", JSON.stringify(MANIFEST)),
    file(`rootfs/usr/local/etc/containers/${NAME}.yaml`, JSON.stringify(service)),
    file(`${ROOT}/app/main.mjs`, program),
    ...Object.entries(told).map(([path, content]) => file(`${ROOT}${path}`, content)),
    file(`${ROOT}/etc/passwd`, "root:x:0:0:root:/run:/sbin/nologin\n"),
    file(`${ROOT}/etc/group`, "root:x:0:\n"),
    file(`${ROOT}/etc/nsswitch.conf`, "hosts: files dns\n"),
    ...[...files].map(([path, bytes]) => file(`${ROOT}${path}`, bytes, 0o755)),
  ];
  const empty = ["dev", "proc", "run", "sys", "tmp"].map((name) => `${ROOT}/${name}`);
  const folders = [...contents.flatMap(({ path }) => foldersAbove(path)), ...empty];
  return [...new Set(folders)].sort().map(folder).concat(contents);
}

function foldersAbove(path: string): readonly string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, at) => parts.slice(0, at + 1).join("/"));
}

/** The agent in one file, from its sources. */
export async function bundledAgent(): Promise<Uint8Array> {
  return (await bundleProgram("apps/agent/src/main.ts")).code;
}

/** Writes a layout of these layers. */
export async function writeLayout(
  at: string,
  layers: Partial<Record<Architecture, readonly TarEntry[]>>,
): Promise<void> {
  mkdirSync(join(at, "blobs/sha256"), { recursive: true });
  const put = (bytes: Uint8Array) => {
    const hex = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(join(at, "blobs/sha256", hex), bytes);
    return { digest: `sha256:${hex}`, size: bytes.length };
  };
  const type = (name: string) => `application/vnd.oci.image.${name}`;
  const manifests = [];
  for (const [architecture, entries] of Object.entries(layers)) {
    const tar = await tarOf(entries);
    const diff_ids = [`sha256:${createHash("sha256").update(tar).digest("hex")}`];
    const config = put(
      Buffer.from(JSON.stringify({ os: "linux", architecture, rootfs: { type: "layers", diff_ids } })),
    );
    const layer = put(gzipSync(tar, { level: 0 }));
    const manifest = {
      schemaVersion: 2,
      mediaType: type("manifest.v1+json"),
      config: { mediaType: type("config.v1+json"), ...config },
      layers: [{ mediaType: type("layer.v1.tar+gzip"), ...layer }],
    };
    const put_ = put(Buffer.from(JSON.stringify(manifest)));
    manifests.push({ mediaType: type("manifest.v1+json"), ...put_, platform: { os: "linux", architecture } });
  }
  writeFileSync(join(at, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  writeFileSync(
    join(at, "index.json"),
    JSON.stringify({ schemaVersion: 2, mediaType: type("index.v1+json"), manifests }),
  );
}

/** The entries as a tar. */
export function tarOf(entries: readonly TarEntry[]): Promise<Uint8Array> {
  return packTar(
    entries.map(({ path, type, mode, uid, gid, linkTarget, bytes }) => ({
      header: {
        name: path,
        type: TAR_TYPES[type],
        mode,
        uid,
        gid,
        mtime: new Date(0),
        linkname: linkTarget,
        size: bytes.length,
      },
      body: bytes,
    })),
  );
}

const TAR_TYPES: Readonly<Record<TarEntry["type"], NonNullable<TarHeader["type"]>>> = {
  file: "file",
  directory: "directory",
  symlink: "symlink",
  "hard-link": "link",
  fifo: "fifo",
  "character-device": "character-device",
  "block-device": "block-device",
  other: "file",
};

/** The machine's architecture as OCI names it. */
export const HERE: Architecture = process.arch === "arm64" ? "arm64" : "amd64";

/** The other one. */
export const ELSEWHERE: Architecture = HERE === "amd64" ? "arm64" : "amd64";

/** Path of the loader in the layer. */
export const LOADER = `${ROOT}${readElf(readFileSync(process.execPath)).interpreter}`;
