/** koffi beside the bundle: its loader and one native module, of the 22 MB that its package is. */
import { cp, mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Where a native module is for, as koffi names its packages; glibc in each. */
export type KoffiPlatform = "linux-x64" | "linux-arm64";

/** The folder of the native module within its package. */
export const KOFFI_TRIPLETS: Readonly<Record<KoffiPlatform, string>> = {
  "linux-x64": "linux_x64",
  "linux-arm64": "linux_arm64",
};

/** What of koffi's own package is loaded by `require`. */
const LOADER = ["package.json", "index.cjs", "src/koffi/index.cjs", "src/koffi/src/static.cjs"];

/** koffi as the probes' room has it. */
const KOFFI = dirname(
  createRequire(join(import.meta.dirname, "../../../packages/probe/package.json")).resolve("koffi"),
);

/**
 * Copies koffi into `folder/node_modules`, for a bundle in `folder`. `nativePackage` is the folder of `@koromix/koffi-PLATFORM`; by
 * default the one that was installed here, which is for this machine alone. Rejects with the system's error when a file is missing.
 */
export async function placeKoffi(folder: string, platform: KoffiPlatform, nativePackage?: string): Promise<void> {
  const name = `@koromix/koffi-${platform}`;
  const from = nativePackage ?? join(KOFFI, "..", name);
  const native = ["package.json", "index.js", join(KOFFI_TRIPLETS[platform], "koffi.node")];
  await copyFiles(KOFFI, join(folder, "node_modules/koffi"), LOADER);
  await copyFiles(from, join(folder, "node_modules", name), native);
}

async function copyFiles(from: string, to: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await mkdir(dirname(join(to, path)), { recursive: true });
    await cp(join(from, path), join(to, path));
  }
}
