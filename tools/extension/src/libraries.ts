/** The libraries that programs need, found as the dynamic loader finds them. */
import { posix } from "node:path";
import type { Architecture } from "./architecture.ts";
import { readElf } from "./elf.ts";
import { ExtensionError } from "./extension-error.ts";
import { bytesAt, type Files, fileOf, type Tree, treeOf } from "./tree.ts";

/** Most links from one file to the next; Debian's libraries have two. */
const LINKS_MAX = 8;

/**
 * What `programs` need of `files`: the loader at the path that they name, libraries at Debian's multiarch paths, each a
 * regular file under the name by which it is needed. Throws ExtensionError: `binary` when a library is missing or for
 * another machine, `tree` when the loader is missing.
 */
export function librariesOf(programs: readonly Uint8Array[], files: Files, architecture: Architecture): Tree {
  const found = new Map<string, Uint8Array>();
  const waiting = [...programs];
  for (let program = waiting.pop(); program !== undefined; program = waiting.pop()) {
    const { machine, interpreter, needed } = readElf(program, "a program of the image");
    if (machine !== architecture.elfMachine)
      throw new ExtensionError("binary", `an ELF file is for machine ${machine}, want ${architecture.elfMachine}`);
    const paths = needed.map((name) => placeOf(name, files, architecture));
    for (const path of interpreter === undefined ? paths : [interpreter.slice(1), ...paths]) {
      if (found.has(path)) continue;
      const library = bytesAt(files, resolved(path, files));
      found.set(path, library);
      waiting.push(library);
    }
  }
  return treeOf(Object.fromEntries([...found].map(([path, library]) => [path, fileOf(library, true)])));
}

/**
 * Path of a needed library, in glibc's search order of Debian's directories. The loader's path is the one that programs
 * name.
 */
function placeOf(name: string, files: Files, { triplet }: Architecture): string {
  const loader = name.startsWith("ld-linux-") ? ["lib64", "lib"] : [];
  const directories = [...loader, `lib/${triplet}`, `usr/lib/${triplet}`];
  const path = directories
    .map((directory) => `${directory}/${name}`)
    .find((candidate) => files.get(candidate) !== undefined);
  if (path === undefined) throw new ExtensionError("binary", `${name}: is in none of ${directories.join(", ")}`);
  return path;
}

/** The file at the end of a path's links. */
function resolved(path: string, files: Files): string {
  let at = path;
  for (let links = 0; links < LINKS_MAX; links += 1) {
    const entry = files.get(at);
    if (entry?.kind !== "symlink") return at;
    at = posix.resolve("/", posix.dirname(at), entry.target).slice(1);
  }
  throw new ExtensionError("binary", `${path}: more than ${LINKS_MAX} links`);
}
