/** `npm run extension`. Exit codes: 0 made, 1 not made, 2 wrong arguments. */
import { join, resolve } from "node:path";
import { BundleError } from "@lifeline/bundle";
import { type Arguments, readArguments, USAGE } from "./arguments.ts";
import { LOCK_FILE } from "./debian/lock.ts";
import { buildExtension, type ExtensionMake, type ExtensionResult, FOR_EVERY_NODE } from "./extension.ts";
import { ExtensionError } from "./extension-error.ts";
import { openSupplies, updateLock } from "./image-inputs.ts";
import { buildImages, type ImageResult } from "./images.ts";
import { maintenanceMake } from "./maintenance.ts";
import { readRelease } from "./release.ts";
import { squashfsBytes } from "./squashfs.ts";
import { measureSteps } from "./steps.ts";
import type { Tree } from "./tree.ts";

const root = resolve(import.meta.dirname, "../../..");
const say = (line: string) => process.stderr.write(`extension: ${line}\n`);
const print = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);

const BYTES_PER_MB = 1e6;
const mb = (bytes: number | null) => (bytes === null ? "not measured" : `${(bytes / BYTES_PER_MB).toFixed(1)} MB`);

async function measured(rootfs: Tree): Promise<number | undefined> {
  const bytes = await squashfsBytes(rootfs);
  if (bytes === undefined)
    say("squashfs is not measured: no mksquashfs on this machine (apt-get install squashfs-tools)");
  return bytes;
}

async function main(args: readonly string[]): Promise<void> {
  const { help, json, images, maintenance, steps, out, updateLock: renews } = readArguments(args);
  if (help) {
    process.stdout.write(USAGE);
    return;
  }
  const { make, folder } = makeOf(maintenance);
  if (maintenance !== undefined) guardSecret();
  const places = { root, cacheDirectory: join(root, ".lifeline/extension"), lockFile: LOCK_FILE };
  if (renews)
    for (const { name, architecture, version } of await updateLock(places)) say(`${name}:${architecture} ${version}`);
  const supplies = await openSupplies(places, say);
  if (steps) {
    const sizes = await measureSteps(supplies);
    if (json) print(sizes);
    else
      for (const { step, squashfsBytes, bundleBytes } of sizes)
        process.stdout.write(`${mb(squashfsBytes)}, bundle ${mb(bundleBytes)}: ${step}\n`);
    return;
  }
  const building = { root, supplies, release: await readRelease(root, process.env), say };
  const place = resolve(out ?? join(root, folder));
  const extension = await buildExtension(building, make, place, measured);
  const imagePlace = out === undefined ? join(root, "out/images") : join(place, "images");
  const built = images ? await buildImages(building, imagePlace) : {};
  if (json) print(images ? { ...extension, images: built } : extension);
  else process.stdout.write(text(extension, built, place));
}

/** What is made, and the folder it goes to unless told otherwise. */
function makeOf(maintenance: Arguments["maintenance"]): { readonly make: ExtensionMake; readonly folder: string } {
  if (maintenance === undefined) return { make: FOR_EVERY_NODE, folder: "out/extension" };
  const make = maintenanceMake(maintenance.configFile, maintenance.tokenFile);
  return { make, folder: "out/extension-maintenance" };
}

/** An image with a secret: its files are made for their owner alone, and whoever makes it is told. */
function guardSecret(): void {
  say("the image will hold the join token: keep it, and what is made of it, as you would the token");
  process.umask(0o077);
}

function text(extension: ExtensionResult, images: Readonly<Record<string, ImageResult>>, place: string): string {
  const sizes = (["amd64", "arm64"] as const).map((name) => {
    const { squashfsBytes, layerBytes, digest } = extension[name];
    return `${name}: squashfs ${mb(squashfsBytes)}, layer ${mb(layerBytes)}, ${digest}`;
  });
  const others = Object.entries(images).map(([name, { index, layerBytes }]) => {
    const each = Object.entries(layerBytes).map(([architecture, bytes]) => `${architecture} ${mb(bytes)}`);
    return `${name}: ${each.join(", ")}, ${index}`;
  });
  return [...sizes, `index: ${extension.index} in ${place}/oci`, ...others, ""].join("\n");
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof ExtensionError || error instanceof BundleError)) throw error;
  process.stderr.write(`npm run extension: ${error.message}\n`);
  process.exitCode = error.code === "usage" ? 2 : 1;
}
