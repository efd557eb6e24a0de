/** koffi's native part for this machine, from node_modules. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** A package that depends on koffi. */
const USES_KOFFI = join(import.meta.dirname, "../../../packages/probe/package.json");

/** Its directory in koffi's packages (`@koromix/koffi-linux-ARCH`). */
const FOLDER: Readonly<Partial<Record<NodeJS.Architecture, string>>> = { x64: "linux_x64", arm64: "linux_arm64" };

/**
 * Its path, for a copy beside a bundle as NATIVE_FILE; undefined where none is installed, such as on other systems than
 * 64-bit Linux with glibc.
 */
export function nativeModule(): string | undefined {
  const folder = process.platform === "linux" ? FOLDER[process.arch] : undefined;
  if (folder === undefined) return undefined;
  const koffi = dirname(createRequire(USES_KOFFI).resolve("koffi"));
  const path = join(koffi, "..", `@koromix/koffi-linux-${process.arch}`, folder, "koffi.node");
  return existsSync(path) ? path : undefined;
}
