/** How large Talos will make it: squashfs by the flags that its imager uses. */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { outputOf } from "./command.ts";
import { ExtensionError } from "./extension-error.ts";
import { spread, type Tree } from "./tree.ts";

/** As Talos calls mksquashfs for an extension: everything root's, zstd at level 18. */
const FLAGS = ["-all-root", "-noappend", "-comp", "zstd", "-Xcompression-level", "18", "-no-progress", "-quiet"];

/** Bytes of the tree as squashfs; undefined where there is no mksquashfs. */
export async function squashfsBytes(tree: Tree): Promise<number | undefined> {
  const directory = await mkdtemp(join(tmpdir(), "lifeline-squashfs-"));
  try {
    await spread(tree, join(directory, "root"));
    const image = join(directory, "image");
    await outputOf("mksquashfs", [join(directory, "root"), image, ...FLAGS]);
    return (await stat(image)).size;
  } catch (error) {
    if (error instanceof ExtensionError && error.code === "missing") return undefined;
    throw error;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
