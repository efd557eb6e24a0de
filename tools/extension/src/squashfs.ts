/** A tree as Talos keeps it in memory: squashfs, by the flags of its imager (pkg/imager/extensions). */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { outputOf } from "./command.ts";
import { ExtensionError } from "./extension-error.ts";
import { type Tree, writeTree } from "./tree.ts";

/** Talos's own level of zstd; a size is only a figure at this one. */
export const TALOS_ZSTD_LEVEL = 18;

/**
 * Writes a directory to `file`, every entry root's. Returns the size, bytes. Throws ExtensionError as {@link outputOf}
 * does.
 */
export async function squash(directory: string, file: string, zstdLevel = TALOS_ZSTD_LEVEL): Promise<number> {
  const zstd = ["-comp", "zstd", "-Xcompression-level", String(zstdLevel)];
  await outputOf("mksquashfs", [directory, file, "-all-root", "-noappend", ...zstd, "-no-progress", "-quiet"]);
  return (await stat(file)).size;
}

/** Size of the tree as squashfs, bytes; undefined where mksquashfs is not installed. */
export async function squashfsBytes(tree: Tree): Promise<number | undefined> {
  const directory = await mkdtemp(join(tmpdir(), "lifeline-squashfs-"));
  try {
    await writeTree(tree, join(directory, "root"));
    return await squash(join(directory, "root"), join(directory, "image"));
  } catch (error) {
    if (error instanceof ExtensionError && error.code === "missing") return undefined;
    throw error;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
