/** The extension as Talos has it on a node: squashed, mounted through a loop device, and under an overlay. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { run } from "./command.ts";
import { VerifyError } from "./verify-error.ts";

/** Unpacks a layer's tar into `folder`, as root's. */
export async function unpackLayer(tar: Uint8Array, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const { status, stderr } = spawnSync("tar", ["-x", "-p", "--numeric-owner", "-C", folder], { input: tar });
  if (status !== 0) throw new VerifyError("failed", `tar: status ${status}: ${stderr.toString("utf8").slice(-400)}`);
}

/** Squashes a folder with the flags of Talos's imager (pkg/imager/extensions: mksquashfs); resolves with its size, bytes. */
export async function squash(folder: string, file: string, zstdLevel: number): Promise<number> {
  const zstd = ["-comp", "zstd", "-Xcompression-level", String(zstdLevel)];
  await run("mksquashfs", [folder, file, "-all-root", "-noappend", ...zstd, "-no-progress"]);
  return statSync(file).size;
}

/** Mounts a squashed file, read-only, through a loop device that is freed with the mount. */
export async function mountSquash(file: string, at: string): Promise<void> {
  mkdirSync(at, { recursive: true });
  await run("mount", ["-t", "squashfs", "-o", "loop,ro", file, at]);
}

/** A root that can be mounted into, over one that cannot. */
export interface Overlay {
  readonly root: string;
  /** What was written over the lower root: path → what it is. */
  written(): ReadonlyMap<string, string>;
}

/** Lays an overlay over `lower`. */
export async function overlay(lower: string, folder: string): Promise<Overlay> {
  const [upper, work, root] = ["upper", "work", "root"].map((name) => join(folder, name)) as [string, string, string];
  for (const each of [upper, work, root]) mkdirSync(each, { recursive: true });
  await run("mount", ["-t", "overlay", "-o", `lowerdir=${lower},upperdir=${upper},workdir=${work}`, "overlay", root]);
  return { root, written: () => contentOf(upper) };
}

function contentOf(folder: string): ReadonlyMap<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return new Map(
    entries.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const what = entry.isFile()
        ? createHash("sha256").update(readFileSync(path)).digest("hex")
        : entry.isSymbolicLink()
          ? `link to ${readlinkSync(path)}`
          : entry.isDirectory()
            ? "folder"
            : "special";
      return [path.slice(folder.length), what];
    }),
  );
}

/** Talos's bundle of certificates, and its name before v1.11. */
const CERTIFICATES = ["/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates"];

/**
 * Makes what a node of Talos has before any extension starts, as far as a service file may name it; `files`, by their paths, are what this
 * node has instead or besides.
 */
export function makeNode(folder: string, certificates: string, files: Readonly<Record<string, string>> = {}): void {
  for (const path of ["/etc/ssl/certs", "/var/lib"]) mkdirSync(join(folder, path), { recursive: true });
  for (const path of CERTIFICATES) writeFileSync(join(folder, path), certificates);
  writeFileSync(join(folder, "/etc/os-release"), 'NAME="Talos"\nID=talos\nVERSION_ID=v1.12.0\n');
  writeFileSync(join(folder, "/etc/hosts"), "127.0.0.1 localhost\n::1 localhost\n");
  // Nobody answers there.
  writeFileSync(join(folder, "/etc/resolv.conf"), "nameserver 127.0.0.53\n");
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}

/** Looks for each mount's source as Talos does, and makes what is missing: a folder, 0700. Returns the paths made. */
export function makeSources(folder: string, sources: readonly string[]): readonly string[] {
  return sources.filter((source) => {
    const path = join(folder, source);
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) return false;
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return true;
  });
}
