/**
 * Trees to tar and back. The same tree and time give the same bytes: sorted, with every directory, owned by 0:0,
 * without user names.
 */
import { type ParsedTarEntryWithData, packTar, type TarHeader, unpackTar } from "modern-tar";
import { ExtensionError } from "./extension-error.ts";
import { complete, DIRECTORY, fileOf, type Tree, type TreeEntry, treeOf } from "./tree.ts";

/** The tree as a tar archive, every entry `mtimeSeconds` after 1970. */
export function tarOf(tree: Tree, mtimeSeconds: number): Promise<Uint8Array> {
  const mtime = new Date(mtimeSeconds * 1_000);
  return packTar(
    [...complete(tree)].map(([path, entry]) => ({
      header: headerOf(path, entry, mtime),
      ...(entry.kind === "file" ? { body: entry.bytes } : {}),
    })),
  );
}

function headerOf(path: string, entry: TreeEntry, mtime: Date): TarHeader {
  const whose = { mtime, uid: 0, gid: 0, uname: "", gname: "" };
  switch (entry.kind) {
    case "directory":
      return {
        ...whose,
        name: `${path}/`,
        size: 0,
        type: "directory",
        mode: 0o755,
        uid: entry.owner,
        gid: entry.owner,
      };
    case "symlink":
      return { ...whose, name: path, size: 0, type: "symlink", mode: 0o777, linkname: entry.target };
    case "file":
      return { ...whose, name: path, size: entry.bytes.length, type: "file", mode: entry.isExecutable ? 0o755 : 0o644 };
  }
}

/**
 * The wanted files, directories and links of any archive, by path without a leading `./`; other kinds of entries are
 * left out.
 */
export async function readTar(archive: Uint8Array, isWanted: (path: string) => boolean): Promise<Tree> {
  const found = await entriesOf(archive, isWanted);
  return treeOf(
    Object.fromEntries(
      found.flatMap((one) => {
        const entry = entryOf(one);
        return entry === undefined || pathOf(one.header) === "" ? [] : [[pathOf(one.header), entry]];
      }),
    ),
  );
}

/**
 * The tree of a layer. Throws ExtensionError `tree` when an entry is not as {@link tarOf} writes it, when a path is
 * there twice, and for a link: Talos's untar stops at a second entry, and makes an empty file of a hard link.
 */
export async function readImageTar(archive: Uint8Array): Promise<Tree> {
  const entries: Record<string, TreeEntry> = {};
  for (const one of await entriesOf(archive, () => true)) {
    const { header } = one;
    const [path, entry] = [pathOf(header), entryOf(one)];
    if (Object.hasOwn(entries, path)) throw new ExtensionError("tree", `${path}: is in the layer twice`);
    if (entry === undefined || entry.kind === "symlink" || !isAsWritten(path, entry, header)) {
      const { type, uid, gid } = header;
      throw new ExtensionError(
        "tree",
        `${header.name}: got a ${type} of ${uid}:${gid}, mode ${header.mode?.toString(8)}; want a file or directory of 0:0, 644 or 755`,
      );
    }
    entries[path] = entry;
  }
  return complete(treeOf(entries));
}

function isAsWritten(path: string, entry: TreeEntry, header: TarHeader): boolean {
  const { name, mode, uid, gid } = headerOf(path, entry, new Date(0));
  return header.name === name && header.mode === mode && header.uid === uid && header.gid === gid;
}

async function entriesOf(archive: Uint8Array, isWanted: (path: string) => boolean) {
  try {
    return await unpackTar(archive, { strict: true, filter: (header) => isWanted(pathOf(header)) });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ExtensionError("integrity", `damaged tar archive: ${why}`, { cause: error });
  }
}

const pathOf = ({ name }: Pick<TarHeader, "name">) => name.replace(/^\.?\/+/, "").replace(/\/$/, "");

function entryOf({ header, data }: ParsedTarEntryWithData): TreeEntry | undefined {
  if (header.type === "directory") return DIRECTORY;
  if (header.type === "symlink") return { kind: "symlink", target: header.linkname ?? "" };
  if (header.type !== "file" || data === undefined) return undefined;
  return fileOf(data, ((header.mode ?? 0) & 0o111) !== 0);
}
