/** The container's root within a layer: its links, its entrypoint, and whether every program in it can be started. */
import { ElfError, isElf, readElf } from "./elf.ts";
import { climbs, liesIn, type Resolution, resolveIn } from "./layer-tree.ts";
import { type Problem, quoted } from "./problem.ts";
import type { ServiceFile } from "./service-file.ts";
import type { Architecture, TarEntry } from "./tar-entry.ts";

/** What an architecture's programs have. Library folders are those the Debian loader looks through (ld.so(8), without a cache). */
const TARGETS: Readonly<Record<Architecture, { readonly machine: number; readonly libraries: readonly string[] }>> = {
  amd64: {
    machine: 62,
    libraries: ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib", "/lib64", "/usr/lib64"],
  },
  arm64: { machine: 183, libraries: ["/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib", "/usr/lib"] },
};

const EXECUTE_BITS = 0o111;

type Tree = ReadonlyMap<string, TarEntry>;

/** Checks every symlink of a layer: inside the container's root, and to something there. */
export function checkLinks(tree: Tree, root: string): readonly Problem[] {
  return [...tree].flatMap(([path, entry]): Problem[] => {
    if (entry.type !== "symlink") return [];
    const found = `a link to ${quoted(entry.linkTarget)}`;
    const depth = path.split("/").length - root.split("/").length - 1;
    if (!liesIn(path, root) || (!entry.linkTarget.startsWith("/") && climbs(entry.linkTarget) > depth))
      return [{ code: "symlink-outside", path, found, want: `links within ${root} alone` }];
    const led = resolveIn(tree, root, path.slice(root.length));
    if (led.kind === "found") return [];
    const how = led.kind === "loop" ? `${found} that goes in circles` : `${found}, where nothing is`;
    return [{ code: "symlink-broken", path, found: how, want: "a link to what is there" }];
  });
}

/** Checks what a service file names of the container's root. */
export function checkEntrypoint(
  tree: Tree,
  root: string,
  servicePath: string,
  { container }: ServiceFile,
): readonly Problem[] {
  const problems: Problem[] = [];
  const { entrypoint, args, mounts } = container;
  if (entrypoint !== "") {
    const want = "an absolute path of an executable file in the container's root";
    const led = resolveIn(tree, root, entrypoint);
    const why = entrypoint.startsWith("/") ? whyNotExecutable(led) : "not absolute: nothing is looked up in PATH";
    if (why !== undefined)
      problems.push({
        code: "entrypoint",
        path: `${servicePath}#container.entrypoint`,
        found: `${entrypoint}: ${why}`,
        want,
      });
  }
  for (const [at, text] of args.entries()) {
    if (!text.startsWith("/") || mounts.some(({ destination }) => liesIn(text, destination))) continue;
    const led = resolveIn(tree, root, text);
    if (led.kind === "found" && led.entry?.type === "file") continue;
    const path = `${servicePath}#container.args.${at}`;
    problems.push({
      code: "argument-file",
      path,
      found: `${text}: no such file`,
      want: "a file of the container's root",
    });
  }
  return problems;
}

function whyNotExecutable(led: Resolution): string | undefined {
  if (led.kind !== "found") return led.kind === "loop" ? "a link in circles" : `${led.path} is not there`;
  if (led.entry?.type !== "file") return "no regular file";
  return (led.entry.mode & EXECUTE_BITS) === EXECUTE_BITS ? undefined : `mode ${led.entry.mode.toString(8)}`;
}

/** Checks every ELF file of the container's root: the machine, the interpreter, and the libraries it needs. */
export function checkPrograms(tree: Tree, root: string, architecture: Architecture): readonly Problem[] {
  return [...tree].flatMap(([path, entry]) =>
    entry.type === "file" && liesIn(path, root) && isElf(entry.bytes)
      ? checkElf(tree, root, architecture, path, entry)
      : [],
  );
}

function checkElf(tree: Tree, root: string, architecture: Architecture, path: string, { bytes }: TarEntry): Problem[] {
  const { machine, libraries } = TARGETS[architecture];
  const problems: Problem[] = [];
  try {
    const elf = readElf(bytes);
    if (elf.machine !== machine)
      problems.push({
        code: "elf-machine",
        path,
        found: `machine ${elf.machine}`,
        want: `${machine}, ${architecture}`,
      });
    const isThere = (name: string) => {
      const led = resolveIn(tree, root, name);
      return led.kind === "found" && led.entry?.type === "file" && isElf(led.entry.bytes);
    };
    if (elf.interpreter !== undefined && whyNotExecutable(resolveIn(tree, root, elf.interpreter)) !== undefined)
      problems.push({
        code: "elf-interpreter",
        path,
        found: `its interpreter ${elf.interpreter} is not there, or not executable`,
        want: "the loader in the container's root, at just that path",
      });
    for (const name of elf.needed.filter((each) => !libraries.some((folder) => isThere(`${folder}/${each}`))))
      problems.push({
        code: "elf-library",
        path,
        found: `${name} is not there`,
        want: `it in one of ${libraries.join(", ")}`,
      });
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    problems.push({ code: "elf-damaged", path, found: error.message, want: "a whole 64-bit ELF file" });
  }
  return problems;
}
