/** `npm run extension`. Exit codes: 0 built, 1 not built, 2 wrong arguments. */
import { join, resolve } from "node:path";
import { BundleError } from "@lifeline/bundle";
import { runTool } from "@lifeline/harness";
import { type Arguments, readArguments } from "./arguments.ts";
import { LOCK_FILE } from "./debian/lock.ts";
import { buildExtension, type ExtensionResult, type ExtensionVariant, INSTALLED_VARIANT } from "./extension.ts";
import { exitCodeOf } from "./extension-error.ts";
import { fetchInputs, updateLock } from "./image-inputs.ts";
import { buildImages, type ImageResult } from "./images.ts";
import { maintenanceVariant } from "./maintenance.ts";
import { readRelease } from "./release.ts";
import { squashfsBytes } from "./squashfs.ts";
import type { Tree } from "./tree.ts";

const root = resolve(import.meta.dirname, "../../..");
const log = (line: string) => process.stderr.write(`extension: ${line}\n`);
const print = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);

const BYTES_PER_MB = 1e6;
const mb = (bytes: number | null) => (bytes === null ? "not measured" : `${(bytes / BYTES_PER_MB).toFixed(1)} MB`);

async function measured(rootfs: Tree): Promise<number | undefined> {
  const bytes = await squashfsBytes(rootfs);
  if (bytes === undefined)
    log("mksquashfs is not installed, so the size as squashfs is not measured; apt-get install squashfs-tools");
  return bytes;
}

async function build({ json, images, maintenance, out, updateLock: renews }: Arguments): Promise<number> {
  const { variant, defaultDirectory } = variantOf(maintenance);
  if (maintenance !== undefined) guardSecret();
  const paths = { root, cacheDirectory: join(root, ".lifeline/extension"), lockFile: LOCK_FILE };
  if (renews)
    for (const { name, architecture, version } of await updateLock(paths)) log(`${name}:${architecture} ${version}`);
  const inputs = await fetchInputs(paths, log);
  const context = { root, inputs, release: await readRelease(root, process.env), log };
  const directory = resolve(out ?? join(root, defaultDirectory));
  const extension = await buildExtension(context, variant, directory, measured);
  const imageDirectory = out === undefined ? join(root, "out/images") : join(directory, "images");
  const built = images ? await buildImages(context, imageDirectory) : {};
  if (json) print(images ? { ...extension, images: built } : extension);
  else process.stdout.write(text(extension, built, directory));
  return 0;
}

/** The variant, and the directory it goes to without --out. */
function variantOf(maintenance: Arguments["maintenance"]): { variant: ExtensionVariant; defaultDirectory: string } {
  if (maintenance === undefined) return { variant: INSTALLED_VARIANT, defaultDirectory: "out/extension" };
  const variant = maintenanceVariant(maintenance.configFile, maintenance.tokenFile);
  return { variant, defaultDirectory: "out/extension-maintenance" };
}

/** Makes files readable by their owner only, because the image holds a secret, and prints a note. */
function guardSecret(): void {
  log("the image holds the join token: protect the image, and all media made of it, as you protect the token");
  process.umask(0o077);
}

function text(extension: ExtensionResult, images: Readonly<Record<string, ImageResult>>, directory: string): string {
  const sizes = (["amd64", "arm64"] as const).map((name) => {
    const { squashfsBytes, layerBytes, digest } = extension[name];
    return `${name}: squashfs ${mb(squashfsBytes)}, layer ${mb(layerBytes)}, ${digest}`;
  });
  const others = Object.entries(images).map(([name, { index, layerBytes }]) => {
    const each = Object.entries(layerBytes).map(([architecture, bytes]) => `${architecture} ${mb(bytes)}`);
    return `${name}: ${each.join(", ")}, ${index}`;
  });
  return [...sizes, `index: ${extension.index} in ${directory}/oci`, ...others, ""].join("\n");
}

process.exitCode = await runTool(
  {
    name: "npm run extension",
    read: readArguments,
    run: build,
    exitCodeOf: (error) => exitCodeOf(error) ?? (error instanceof BundleError ? 1 : undefined),
  },
  process.argv.slice(2),
);
