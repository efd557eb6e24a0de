/** Trees to tar and back. The same tree and time give the same bytes: sorted, every directory named, 0:0, no names of users. */
import { packTar, type TarHeader, unpackTar } from "modern-tar";
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

/** What of an archive is wanted, by path without a leading `./`; other kinds of entries are passed over. */
export async function readTar(archive: Uint8Array, isWanted: (path: string) => boolean): Promise<Tree> {
  const plain = (name: string) => name.replace(/^\.?\/+/, "").replace(/\/$/, "");
  const found = await unpackTar(archive, { strict: true, filter: ({ name }) => isWanted(plain(name)) });
  const entries: Record<string, TreeEntry> = {};
  for (const { header, data } of found) {
    const entry = entryOf(header, data);
    if (entry !== undefined && plain(header.name) !== "") entries[plain(header.name)] = entry;
  }
  return treeOf(entries);
}

function entryOf(header: TarHeader, bytes: Uint8Array | undefined): TreeEntry | undefined {
  if (header.type === "directory") return DIRECTORY;
  if (header.type === "symlink") return { kind: "symlink", target: header.linkname ?? "" };
  if (header.type !== "file" || bytes === undefined) return undefined;
  return fileOf(bytes, ((header.mode ?? 0) & 0o111) !== 0);
}
