/**
 * Debian's `strip` for all architectures (binutils-multiarch), run with its own loader and libraries: the same on every
 * x86-64 Linux.
 */
import { chmod, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { outputOf } from "./command.ts";
import { ExtensionError } from "./extension-error.ts";
import { type Tree, writeTree } from "./tree.ts";

/** Removes symbols and debugging sections from an ELF file of any architecture. */
export type Strip = (program: Uint8Array) => Promise<Uint8Array>;

const STRIP = "usr/bin/x86_64-linux-gnu-strip";
const LOADER = "lib64/ld-linux-x86-64.so.2";
const LIBRARY_PATH = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"];
/** The files of the packages that it needs. */
const NEEDED =
  /^(lib64\/|lib\/x86_64-linux-gnu\/|usr\/lib\/x86_64-linux-gnu\/[^/]+\.so|usr\/bin\/x86_64-linux-gnu-strip$)/;

/** Unpacks it to `directory` unless it is there. Throws ExtensionError `missing` on a machine that cannot run it. */
export async function openStrip(packages: Tree, directory: string): Promise<Strip> {
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new ExtensionError("missing", `got ${process.platform} ${process.arch}; images are built on x86-64 Linux`);
  await unpack(packages, directory);
  const libraries = LIBRARY_PATH.map((path) => join(directory, path)).join(":");
  const command = ["--library-path", libraries, join(directory, STRIP), "--strip-all"];
  return async (program) => {
    const draft = await mkdtemp(join(directory, "draft-"));
    try {
      const file = join(draft, "program");
      await writeFile(file, program);
      await outputOf(join(directory, LOADER), [...command, file]);
      return await readFile(file);
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  };
}

async function unpack(packages: Tree, directory: string): Promise<void> {
  if ((await readFile(join(directory, STRIP)).catch(() => undefined)) !== undefined) return;
  const wanted = [...packages].filter(([path]) => NEEDED.test(path));
  // Debian's loader is an absolute link; here it must stay below `directory`.
  const here = wanted.map(([path, entry]) => {
    const isAbsolute = entry.kind === "symlink" && entry.target.startsWith("/");
    return [path, isAbsolute ? { ...entry, target: join("..", entry.target) } : entry] as const;
  });
  const draft = `${directory}.draft`;
  await rm(draft, { recursive: true, force: true });
  await writeTree(new Map(here), draft);
  await chmod(join(draft, STRIP), 0o755);
  await rm(directory, { recursive: true, force: true });
  await rename(draft, directory);
}
