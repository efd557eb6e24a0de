/** What a layer's tar holds. */

/** What an entry is. */
export type TarEntryType =
  | "file"
  | "directory"
  | "symlink"
  | "hard-link"
  | "fifo"
  | "character-device"
  | "block-device"
  | "other";

/** One entry, as it stands in the tar. */
export interface TarEntry {
  /** As written, such as `rootfs/usr/local/`. */
  readonly path: string;
  readonly type: TarEntryType;
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Target of a link; `""` for everything else. */
  readonly linkTarget: string;
  /** Size of its content, bytes; 0 for what is no file. */
  readonly sizeBytes: number;
  /** Content of a file; empty for everything else. */
  readonly bytes: Uint8Array;
}

/** Whom an extension is for, as OCI names it. */
export type Architecture = "amd64" | "arm64";
