/**
 * One spooled report as bytes: magic 4 · CRC-32 4 · payload length 4 · boot id 16 · sequence 8 · payload;
 * little-endian.
 *
 * The length's top bit says that the payload is raw DEFLATE (packing.ts); a frame written without packing has it
 * clear. The checksum is CRC-32 (ISO-HDLC, polynomial 0x04C11DB7, as in zlib and Ethernet), over everything behind it.
 * CRC-32C would need code of our own; for records below 4 MiB both find every burst up to 32 bits.
 */
import { strict as assert } from "node:assert";
import { crc32 } from "node:zlib";
import { BOOT_ID_BYTES, MAX_REPORT_BYTES } from "@lifeline/wire";
import { SEGMENT_MAX_RECORDS } from "./bounds.ts";

/** First bytes of a frame: "LLS1". */
export const FRAME_MAGIC = Buffer.from("LLS1", "latin1");

/** The bit of the length that says deflated: the largest payload, MAX_REPORT_BYTES, needs 22. */
const DEFLATED_BIT = 0x8000_0000;

const CRC_OFFSET = 4;
const LENGTH_OFFSET = 8;
const BOOT_OFFSET = 12;
const SEQUENCE_OFFSET = BOOT_OFFSET + BOOT_ID_BYTES;

/** Bytes before the payload. */
export const FRAME_HEADER_BYTES = SEQUENCE_OFFSET + 8;

/** Most frames of a segment that are read: twice those of a full one. */
const SCAN_MAX_FRAMES = 2 * SEGMENT_MAX_RECORDS;

/**
 * Most bytes that a scan checksums, as a multiple of the file. One pass suffices for frames that are whole or damaged.
 * Forged heads that overlap could each claim all the rest: 512 KiB of them took 3 s.
 */
const SCAN_MAX_PASSES = 16;

/** A frame that was read. */
export interface Frame {
  readonly bootId: Uint8Array;
  /** 1, 2, 3 … within the boot. */
  readonly sequence: number;
  /** A view into the bytes that were read; packed as `isDeflated` says. */
  readonly payload: Uint8Array;
  readonly isDeflated: boolean;
  /** Bytes of the whole frame. */
  readonly frameBytes: number;
}

/** A frame found in a segment. */
export interface FoundFrame {
  readonly offset: number;
  readonly frame: Frame;
}

/** What a segment holds. */
export interface Scan {
  readonly found: readonly FoundFrame[];
  /** Damaged regions between good frames, and the last one when it holds a frame that was once whole. */
  readonly corruptFrames: number;
  /** Bytes up to the end of the last good frame. What follows was not completely written. */
  readonly goodBytes: number;
}

/**
 * Encodes a frame: a boot id of BOOT_ID_BYTES, a sequence from 1 to 2^53 - 1, and a payload of at most
 * MAX_REPORT_BYTES, which is raw DEFLATE where `isDeflated` (default false). Asserts all but the last.
 */
export function encodeFrame(bootId: Uint8Array, sequence: number, payload: Uint8Array, isDeflated = false): Buffer {
  assert.equal(bootId.length, BOOT_ID_BYTES);
  assert.ok(Number.isSafeInteger(sequence) && sequence >= 1, `sequence: got ${sequence}, want 1 to 2^53 - 1`);
  assert.ok(
    payload.length <= MAX_REPORT_BYTES,
    `payload: got ${payload.length} bytes, want at most ${MAX_REPORT_BYTES}`,
  );
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
  FRAME_MAGIC.copy(bytes);
  bytes.writeUInt32LE(payload.length + (isDeflated ? DEFLATED_BIT : 0), LENGTH_OFFSET);
  bytes.set(bootId, BOOT_OFFSET);
  bytes.writeBigUInt64LE(BigInt(sequence), SEQUENCE_OFFSET);
  bytes.set(payload, FRAME_HEADER_BYTES);
  bytes.writeUInt32LE(crc32(bytes.subarray(LENGTH_OFFSET)), CRC_OFFSET);
  return bytes;
}

/** The frame at `offset` of any bytes; undefined when it is incomplete or damaged. Never throws. */
export function decodeFrame(bytes: Buffer, offset = 0): Frame | undefined {
  if (offset + FRAME_HEADER_BYTES > bytes.length) return undefined;
  if (!bytes.subarray(offset, offset + FRAME_MAGIC.length).equals(FRAME_MAGIC)) return undefined;
  const { payloadBytes, isDeflated } = lengthAt(bytes, offset);
  const end = offset + FRAME_HEADER_BYTES + payloadBytes;
  if (payloadBytes > MAX_REPORT_BYTES || end > bytes.length) return undefined;
  if (crc32(bytes.subarray(offset + LENGTH_OFFSET, end)) !== bytes.readUInt32LE(offset + CRC_OFFSET)) return undefined;
  const sequence = Number(bytes.readBigUInt64LE(offset + SEQUENCE_OFFSET));
  // Never written, and beyond what a number counts exactly: it would be acknowledged under another's name.
  if (sequence < 1 || !Number.isSafeInteger(sequence)) return undefined;
  return {
    bootId: Uint8Array.from(bytes.subarray(offset + BOOT_OFFSET, offset + SEQUENCE_OFFSET)),
    sequence,
    payload: bytes.subarray(offset + FRAME_HEADER_BYTES, end),
    isDeflated,
    frameBytes: end - offset,
  };
}

/**
 * Finds the good frames in any bytes. Damaged regions are skipped up to the next frame with a right checksum. Never
 * throws. Ends after {@link SCAN_MAX_FRAMES}, and when forged heads have cost {@link SCAN_MAX_PASSES}: the agent writes
 * no such segment.
 */
export function scanFrames(bytes: Buffer): Scan {
  const found: FoundFrame[] = [];
  let corruptFrames = 0;
  let goodBytes = 0;
  let wholeButWrong = false;
  let leftBytes = SCAN_MAX_PASSES * bytes.length;
  let offset = bytes.indexOf(FRAME_MAGIC);
  while (offset >= 0 && found.length < SCAN_MAX_FRAMES && leftBytes > 0) {
    const frame = decodeFrame(bytes, offset);
    if (frame === undefined) {
      const claimedBytes = wholeBytes(bytes, offset);
      wholeButWrong ||= claimedBytes > 0;
      leftBytes -= claimedBytes;
      offset = bytes.indexOf(FRAME_MAGIC, offset + 1);
      continue;
    }
    if (offset > goodBytes) corruptFrames += 1;
    wholeButWrong = false;
    found.push({ offset, frame });
    goodBytes = offset + frame.frameBytes;
    offset = bytes.indexOf(FRAME_MAGIC, goodBytes);
  }
  return { found, corruptFrames: corruptFrames + (wholeButWrong ? 1 : 0), goodBytes };
}

/**
 * Bytes that the head of a frame at `offset` claims, when all are there: the frame was whole once and is damaged. Else
 * 0.
 */
function wholeBytes(bytes: Buffer, offset: number): number {
  if (offset + FRAME_HEADER_BYTES > bytes.length) return 0;
  const frameBytes = FRAME_HEADER_BYTES + lengthAt(bytes, offset).payloadBytes;
  const isWhole = frameBytes <= FRAME_HEADER_BYTES + MAX_REPORT_BYTES && offset + frameBytes <= bytes.length;
  return isWhole ? frameBytes : 0;
}

function lengthAt(bytes: Buffer, offset: number): { readonly payloadBytes: number; readonly isDeflated: boolean } {
  const word = bytes.readUInt32LE(offset + LENGTH_OFFSET);
  const isDeflated = word >= DEFLATED_BIT;
  return { payloadBytes: isDeflated ? word - DEFLATED_BIT : word, isDeflated };
}
