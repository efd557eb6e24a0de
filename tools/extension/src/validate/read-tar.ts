/** The entries of a tar, in order, whatever they are: the validator judges them. */
import { type TarHeader, unpackTar } from "modern-tar";
import type { TarEntry, TarEntryType } from "./tar-entry.ts";

const TYPES: Readonly<Record<string, TarEntryType>> = {
  file: "file",
  directory: "directory",
  symlink: "symlink",
  link: "hard-link",
  fifo: "fifo",
  "character-device": "character-device",
  "block-device": "block-device",
};

/** Why a tar cannot be read. `code`: `damaged`. */
export class TarError extends Error {
  readonly code = "damaged";
}

/** Reads a whole tar. @throws TarError */
export async function readTarEntries(tar: Uint8Array): Promise<readonly TarEntry[]> {
  try {
    const entries = await unpackTar(tar, { strict: true });
    return entries.map(({ header, data }) => entryOf(header, data ?? new Uint8Array()));
  } catch (error) {
    throw new TarError(`no whole tar: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function entryOf({ name, type, mode, uid, gid, linkname }: TarHeader, bytes: Uint8Array): TarEntry {
  return {
    path: name,
    type: TYPES[type ?? "file"] ?? "other",
    mode: mode ?? 0,
    uid: uid ?? 0,
    gid: gid ?? 0,
    linkTarget: linkname ?? "",
    sizeBytes: bytes.length,
    bytes,
  };
}
