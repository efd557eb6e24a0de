/**
 * One file of the spool and, beside it, the list of what was acknowledged.
 *
 * 1. A segment is written by one start of the agent and only ever appended to.
 * 2. An acknowledgement is 8 bytes: the frame's offset and a CRC-32 over segment number and offset, so that zeros left by a
 *    power cut acknowledge nothing. It is not synced: losing one sends a report again, which is counted once (U1).
 */
import { type FileHandle, open, readFile, stat, truncate, unlink } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { type FoundFrame, type Frame, frameAt, scanFrames } from "./frame.ts";
import { systemCode } from "./system-code.ts";

/** Bytes of one acknowledgement. */
export const ACK_BYTES = 8;

const SEGMENT_NAME = /^segment-(\d{12})\.spool$/;

/** What a segment on disk holds. */
export interface LoadedSegment {
  readonly found: readonly FoundFrame[];
  readonly ackedOffsets: ReadonlySet<number>;
  readonly corruptFrames: number;
  readonly tornBytes: number;
  /** Bytes of both files. */
  readonly diskBytes: number;
  /** Wall time of the last write, ms since the epoch. */
  readonly writtenAtMs: number;
}

/** Path of a segment. */
export function segmentPath(directory: string, number: number): string {
  return join(directory, `segment-${String(number).padStart(12, "0")}.spool`);
}

/** Path of a segment's acknowledgements. */
export function acksPath(directory: string, number: number): string {
  return join(directory, `segment-${String(number).padStart(12, "0")}.acks`);
}

/** The number in a segment's file name; undefined for any other file. */
export function segmentNumber(fileName: string): number | undefined {
  const digits = SEGMENT_NAME.exec(fileName)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Creates an empty segment, durably. Rejects with the system's error. */
export async function createSegment(directory: string, number: number): Promise<FileHandle> {
  // Left behind by a removal that was cut short; they must not speak for this segment.
  await unlink(acksPath(directory, number)).catch(() => {});
  const handle = await open(segmentPath(directory, number), "wx", 0o600);
  try {
    await syncDirectory(directory);
    return handle;
  } catch (error) {
    await handle.close();
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

/** Writes a frame at `offset` and waits until the disk has it: one fdatasync a report, off the event loop. */
export async function appendFrame(handle: FileHandle, frame: Uint8Array, offset: number): Promise<void> {
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
}

/** Appends acknowledgements. Rejects with the system's error, which costs no more than sending again. */
export async function appendAcks(directory: string, number: number, offsets: readonly number[]): Promise<void> {
  const handle = await open(acksPath(directory, number), "a", 0o600);
  try {
    await handle.appendFile(Buffer.concat(offsets.map((offset) => encodeAck(number, offset))));
  } finally {
    await handle.close();
  }
}

/**
 * What reading one frame came to. `damaged`: its bytes are there and do not check out. `gone`: the file is no more.
 * `unreadable`: the system would not read it now (EMFILE, EIO, ESTALE …), which says nothing of the frame.
 */
export type ReadFrame =
  | { readonly kind: "frame"; readonly frame: Frame }
  | { readonly kind: "damaged" }
  | { readonly kind: "gone" }
  | { readonly kind: "unreadable"; readonly code: string };

/** Reads one frame. Never rejects on what a disk may do. */
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
    const frame = frameAt(bytes.subarray(0, bytesRead), 0);
    return frame === undefined ? { kind: "damaged" } : { kind: "frame", frame };
  } catch (error) {
    const code = systemCode(error);
    return code === "ENOENT" ? { kind: "gone" } : { kind: "unreadable", code };
  } finally {
    // What was read was read, whatever becomes of the descriptor.
    await handle?.close().catch(() => {});
  }
}

/** Reads a segment of an earlier start, and truncates what was torn off at its end. Rejects when it cannot be read. */
export async function loadSegment(directory: string, number: number): Promise<LoadedSegment> {
  const path = segmentPath(directory, number);
  const [bytes, { mtimeMs }] = await Promise.all([readFile(path), stat(path)]);
  const { found, corruptFrames, goodBytes } = scanFrames(bytes);
  const tornBytes = bytes.length - goodBytes;
  // On a disk that cannot be written the torn tail stays, and is skipped again next time.
  if (tornBytes > 0) await truncate(path, goodBytes).catch(() => {});
  const acks = await readFile(acksPath(directory, number)).catch(() => Buffer.alloc(0));
  return {
    found,
    ackedOffsets: decodeAcks(number, acks),
    corruptFrames,
    tornBytes,
    diskBytes: goodBytes + acks.length,
    writtenAtMs: mtimeMs,
  };
}

/** Removes a segment: the acknowledgements last, so that a crash in between does not bring back what was acknowledged. */
export async function removeSegment(directory: string, number: number): Promise<void> {
  // What cannot be removed is found again at the next start.
  await unlink(segmentPath(directory, number)).catch(() => {});
  await unlink(acksPath(directory, number)).catch(() => {});
}

/** The acknowledgement of the frame at `offset` of segment `number`. */
export function encodeAck(number: number, offset: number): Buffer {
  const bytes = Buffer.alloc(ACK_BYTES);
  bytes.writeUInt32LE(offset, 0);
  bytes.writeUInt32LE(crc32(`${number}:${offset}`), 4);
  return bytes;
}

/** The offsets that a list of acknowledgements names; what is torn or not of segment `number` acknowledges nothing. */
export function decodeAcks(number: number, bytes: Buffer): Set<number> {
  const offsets = new Set<number>();
  for (let at = 0; at + ACK_BYTES <= bytes.length; at += ACK_BYTES) {
    const offset = bytes.readUInt32LE(at);
    if (bytes.readUInt32LE(at + 4) === crc32(`${number}:${offset}`)) offsets.add(offset);
  }
  return offsets;
}
