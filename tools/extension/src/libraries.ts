/** The libraries that programs need, computed as the loader finds them, from Debian's packages. */
import { posix } from "node:path";
import type { Architecture } from "./architecture.ts";
import { readElf } from "./elf.ts";
import { ExtensionError } from "./extension-error.ts";
import { bytesAt, fileOf, type Tree, treeOf } from "./tree.ts";

/** Links from one file to the next in a tree; Debian's libraries have at most two. */
const LINKS_MAX = 8;

/**
 * What `programs` need of `packages`: the loader at the path they ask for, libraries at Debian's multiarch paths, each a regular file
 * under the name it is needed by. Throws `binary` when one is missing or is for another machine.
 */
export function librariesOf(programs: readonly Uint8Array[], packages: Tree, architecture: Architecture): Tree {
  const found = new Map<string, Uint8Array>();
  const waiting = [...programs];
  for (let program = waiting.pop(); program !== undefined; program = waiting.pop()) {
    const { machine, interpreter, needed } = readElf(program, "a program of the image");
    if (machine !== architecture.elfMachine)
      throw new ExtensionError("binary", `got an ELF file of machine ${machine}, want ${architecture.elfMachine}`);
    const paths = needed.map((name) => placeOf(name, packages, architecture));
    for (const path of interpreter === undefined ? paths : [interpreter.slice(1), ...paths]) {
      if (found.has(path)) continue;
      const library = bytesAt(packages, resolved(path, packages));
      found.set(path, library);
      waiting.push(library);
    }
  }
  return treeOf(Object.fromEntries([...found].map(([path, library]) => [path, fileOf(library, true)])));
}

/** Where a needed name lies, in glibc's order of Debian's directories; the loader itself lies where programs ask for it. */
function placeOf(name: string, packages: Tree, { triplet }: Architecture): string {
  const loader = name.startsWith("ld-linux-") ? ["lib64", "lib"] : [];
  const directories = [...loader, `lib/${triplet}`, `usr/lib/${triplet}`];
  const path = directories.map((directory) => `${directory}/${name}`).find((candidate) => packages.has(candidate));
  if (path === undefined) throw new ExtensionError("binary", `${name}: is in none of the Debian packages`);
  return path;
}

/** The file at the end of a path's links. */
function resolved(path: string, packages: Tree): string {
  let at = path;
  for (let links = 0; links < LINKS_MAX; links += 1) {
    const entry = packages.get(at);
    if (entry?.kind !== "symlink") return at;
    at = posix.resolve("/", posix.dirname(at), entry.target).slice(1);
  }
  throw new ExtensionError("binary", `${path}: more than ${LINKS_MAX} links`);
}
