/**
 * One file of the spool and, beside it, the list of what was acknowledged.
 *
 * 1. A segment is written by one start of the agent and only ever appended to.
 * 2. Its name is durable before anything is written to it, and each frame is before it is said to be.
 */
import { type FileHandle, open, readdir, stat, truncate, unlink } from "node:fs/promises";
import { join } from "node:path";
import { MAX_REPORT_BYTES } from "@lifeline/wire";
import { systemCode } from "../state/system-code.ts";
import { acksPath, loadAcks } from "./acks.ts";
import { SEGMENT_MAX_BYTES } from "./bounds.ts";
import { decodeFrame, type FoundFrame, FRAME_HEADER_BYTES, type Frame, scanFrames } from "./frame.ts";
import { readHead } from "./read-head.ts";

/**
 * Longest file of frames that the agent writes: a full segment, or a first report of any size. What follows is not
 * read.
 */
const SEGMENT_FILE_MAX_BYTES = Math.max(SEGMENT_MAX_BYTES, FRAME_HEADER_BYTES + MAX_REPORT_BYTES);

const SEGMENT_NAME = /^segment-(\d{12})\.spool$/;
const ACKS_NAME = /^segment-(\d{12})\.acks$/;

/** What a segment on disk holds. */
export interface LoadedSegment {
  readonly found: readonly FoundFrame[];
  readonly ackedOffsets: ReadonlySet<number>;
  readonly corruptFrames: number;
  /** Bytes of both files. */
  readonly diskBytes: number;
  /** Wall time of the last write, ms since the epoch. */
  readonly writtenAtMs: number;
}

/** Path of a segment. */
export function segmentPath(directory: string, number: number): string {
  return join(directory, `segment-${String(number).padStart(12, "0")}.spool`);
}

/** What a directory of segments holds. */
export interface Listing {
  /** Ascending. */
  readonly segments: readonly number[];
  /** Acknowledgements whose segment is gone: a removal was interrupted. */
  readonly strayAcks: readonly number[];
}

/** Finds the segments of a directory. Rejects with the system's error. */
export async function listSegments(directory: string): Promise<Listing> {
  const fileNames = await readdir(directory);
  const numbers = (pattern: RegExp) => fileNames.flatMap((name) => pattern.exec(name)?.[1] ?? []).map(Number);
  const segments = numbers(SEGMENT_NAME).sort((a, b) => a - b);
  const known = new Set(segments);
  return { segments, strayAcks: numbers(ACKS_NAME).filter((number) => !known.has(number)) };
}

/** A segment that is written to. */
export interface OpenSegment {
  readonly handle: FileHandle;
  readonly path: string;
  /** Number of the open file; its name may come to mean another file. */
  readonly inode: number;
}

/** Creates an empty segment, durably. Rejects with the system's error, and then leaves no file. */
export async function createSegment(directory: string, number: number): Promise<OpenSegment> {
  // Left by a removal that was interrupted; they must not count for this segment.
  await unlink(acksPath(directory, number)).catch(() => {});
  const path = segmentPath(directory, number);
  const handle = await open(path, "wx", 0o600);
  try {
    await syncDirectory(directory);
    return { handle, path, inode: (await handle.stat()).ino };
  } catch (error) {
    await handle.close();
    await unlink(path).catch(() => {});
    throw error;
  }
}

/** A file's name is durable only when its directory is (fsync(2)). */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Writes a frame at `offset` and waits until the disk has it: one fdatasync a report, off the event loop. Rejects with
 * the system's error; with ENOENT or ESTALE when the file has lost its name: it is still written to, and gone with this
 * process.
 */
export async function appendFrame(
  { handle, path, inode }: OpenSegment,
  frame: Uint8Array,
  offset: number,
): Promise<void> {
  let writtenBytes = 0;
  while (writtenBytes < frame.length) {
    const { bytesWritten } = await handle.write(
      frame,
      writtenBytes,
      frame.length - writtenBytes,
      offset + writtenBytes,
    );
    writtenBytes += bytesWritten;
  }
  await handle.datasync();
  if ((await stat(path)).ino !== inode) {
    throw Object.assign(new Error(`${path}: another file has taken its name`), { code: "ESTALE" });
  }
}

/**
 * The result of reading one frame. `damaged`: its bytes fail the checksum. `gone`: the file no longer exists.
 * `unreadable`: the system cannot read it now (EMFILE, EIO, ESTALE …), which shows nothing about the frame.
 */
export type ReadFrame =
  | { readonly kind: "frame"; readonly frame: Frame }
  | { readonly kind: "damaged" }
  | { readonly kind: "gone" }
  | { readonly kind: "unreadable"; readonly code: string };

/** Reads one frame. Never rejects on a fault of the disk. */
export async function readFrame(
  directory: string,
  number: number,
  offset: number,
  frameBytes: number,
): Promise<ReadFrame> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(segmentPath(directory, number), "r");
    const bytes = Buffer.alloc(frameBytes);
    const { bytesRead } = await handle.read(bytes, 0, frameBytes, offset);
    const frame = decodeFrame(bytes.subarray(0, bytesRead), 0);
    return frame === undefined ? { kind: "damaged" } : { kind: "frame", frame };
  } catch (error) {
    const code = systemCode(error);
    return code === "ENOENT" ? { kind: "gone" } : { kind: "unreadable", code };
  } finally {
    // A failure to close does not change what was read.
    await handle?.close().catch(() => {});
  }
}

/**
 * Reads a segment of an earlier start, and truncates an incomplete frame at its end. Rejects when it cannot be read.
 */
export async function loadSegment(directory: string, number: number): Promise<LoadedSegment> {
  const path = segmentPath(directory, number);
  const { mtimeMs, size } = await stat(path);
  const bytes = await readHead(path, SEGMENT_FILE_MAX_BYTES);
  const { found, corruptFrames, goodBytes } = scanFrames(bytes);
  // On a disk that cannot be written the incomplete frame stays, and is skipped again next time.
  if (size > goodBytes) await truncate(path, goodBytes).catch(() => {});
  const acks = await loadAcks(directory, number);
  return {
    found,
    ackedOffsets: acks.offsets,
    corruptFrames,
    diskBytes: goodBytes + acks.diskBytes,
    writtenAtMs: mtimeMs,
  };
}

/**
 * Removes a segment. Its acknowledgements go last, so that a crash in between does not bring back acknowledged reports.
 */
export async function removeSegment(directory: string, number: number): Promise<void> {
  // A file that cannot be removed is found again at the next start.
  await unlink(segmentPath(directory, number)).catch(() => {});
  await unlink(acksPath(directory, number)).catch(() => {});
}
