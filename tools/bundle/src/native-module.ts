/** koffi's native part for this machine, as it was installed here. */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** koffi as the probes' room has it. */
const KOFFI = dirname(
  createRequire(join(import.meta.dirname, "../../../packages/probe/package.json")).resolve("koffi"),
);

/** Where its packages (`@koromix/koffi-linux-ARCH`) keep it. */
const FOLDER: Readonly<Partial<Record<NodeJS.Architecture, string>>> = { x64: "linux_x64", arm64: "linux_arm64" };

/** Its path, to be copied beside a bundle as NATIVE_FILE; undefined where the agent has no native calls: not 64-bit Linux with glibc. */
export function nativeModule(): string | undefined {
  const folder = process.platform === "linux" ? FOLDER[process.arch] : undefined;
  return folder && join(KOFFI, "..", `@koromix/koffi-linux-${process.arch}`, folder, "koffi.node");
}
