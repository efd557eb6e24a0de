/**
 * The acknowledged frames of a segment, in a file beside it.
 *
 * An acknowledgement is 8 bytes: the frame's offset and a CRC-32 over segment number and offset, so that zeros left by
 * a power cut acknowledge nothing. It is not synced: losing one sends a report again, which is counted once (U1).
 */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { SEGMENT_MAX_RECORDS } from "./bounds.ts";
import { readHead } from "./read-head.ts";

/** Bytes of one acknowledgement. */
export const ACK_BYTES = 8;

/**
 * Longest file that the agent writes: one acknowledgement a record, or two when a start ended before it removed the
 * segment.
 */
const ACKS_FILE_MAX_BYTES = 2 * SEGMENT_MAX_RECORDS * ACK_BYTES;

/** Links are not followed, and opening a pipe does not wait for its reader: see read-head.ts. */
const APPENDING =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Path of a segment's acknowledgements. */
export function acksPath(directory: string, number: number): string {
  return join(directory, `segment-${String(number).padStart(12, "0")}.acks`);
}

/** Appends acknowledgements. Rejects with the system's error, which costs no more than sending again. */
export async function appendAcks(directory: string, number: number, offsets: readonly number[]): Promise<void> {
  const handle = await open(acksPath(directory, number), APPENDING, 0o600);
  try {
    await handle.appendFile(Buffer.concat(offsets.map((offset) => encodeAck(number, offset))));
  } finally {
    await handle.close();
  }
}

/** The acknowledged offsets of a segment. None when the file cannot be read: those reports are sent again. */
export async function loadAcks(
  directory: string,
  number: number,
): Promise<{ readonly offsets: ReadonlySet<number>; readonly diskBytes: number }> {
  const bytes = await readHead(acksPath(directory, number), ACKS_FILE_MAX_BYTES).catch(() => Buffer.alloc(0));
  return { offsets: decodeAcks(number, bytes), diskBytes: bytes.length };
}

/** The acknowledgement of the frame at `offset` of segment `number`. */
export function encodeAck(number: number, offset: number): Buffer {
  const bytes = Buffer.alloc(ACK_BYTES);
  bytes.writeUInt32LE(offset, 0);
  bytes.writeUInt32LE(crc32(`${number}:${offset}`), 4);
  return bytes;
}

/** The offsets of acknowledged frames in any bytes. Pure. */
export function decodeAcks(number: number, bytes: Buffer): Set<number> {
  const offsets = new Set<number>();
  for (let at = 0; at + ACK_BYTES <= bytes.length; at += ACK_BYTES) {
    const offset = bytes.readUInt32LE(at);
    if (bytes.readUInt32LE(at + 4) === crc32(`${number}:${offset}`)) offsets.add(offset);
  }
  return offsets;
}
