/** What the loader reads of a 64-bit little-endian ELF file (elf(5)). */
import { ExtensionError } from "./extension-error.ts";

export interface ElfFacts {
  /** `e_machine`. */
  readonly machine: number;
  /** The loader that the file asks for; undefined for a library. */
  readonly interpreter: string | undefined;
  /** Names of the libraries it needs, in order. */
  readonly needed: readonly string[];
}

const HEADER_BYTES = 64;
const SEGMENT_BYTES = 56;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DYNAMIC_ENTRY_BYTES = 16;
const DT_NULL = 0;
const DT_NEEDED = 1;
const DT_STRTAB = 5;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly sizeBytes: number;
}

/** Whether the bytes begin as an ELF file does. */
export const isElf = (bytes: Uint8Array) =>
  bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;

/** Throws `binary`, naming `path`, when it is no whole 64-bit little-endian ELF file. */
export function readElf(bytes: Uint8Array, path: string): ElfFacts {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    if (!isElf(bytes) || view[4] !== 2 || view[5] !== 1) throw new RangeError("no 64-bit little-endian ELF header");
    const segments = segmentsOf(view);
    const interpreter = segments.find(({ type }) => type === PT_INTERP);
    return {
      machine: view.readUInt16LE(18),
      interpreter: interpreter && textAt(view, interpreter.offset),
      needed: neededOf(view, segments),
    };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ExtensionError("binary", `${path}: ${error.message}`);
  }
}

function segmentsOf(view: Buffer): Segment[] {
  const start = Number(view.readBigUInt64LE(32));
  const count = view.readUInt16LE(56);
  if (start < HEADER_BYTES || view.readUInt16LE(54) !== SEGMENT_BYTES) throw new RangeError("no program headers");
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * SEGMENT_BYTES;
    return {
      type: view.readUInt32LE(at),
      offset: Number(view.readBigUInt64LE(at + 8)),
      address: Number(view.readBigUInt64LE(at + 16)),
      sizeBytes: Number(view.readBigUInt64LE(at + 32)),
    };
  });
}

function neededOf(view: Buffer, segments: readonly Segment[]): string[] {
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamic === undefined) return [];
  const needed: number[] = [];
  let strings = 0;
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.sizeBytes; at += DYNAMIC_ENTRY_BYTES) {
    const tag = Number(view.readBigInt64LE(at));
    const value = Number(view.readBigUInt64LE(at + 8));
    if (tag === DT_NULL) break;
    if (tag === DT_NEEDED) needed.push(value);
    if (tag === DT_STRTAB) strings = offsetOf(segments, value);
  }
  return needed.map((offset) => textAt(view, strings + offset));
}

/** Where in the file an address lies that is loaded from it. */
function offsetOf(segments: readonly Segment[], address: number): number {
  const home = segments.find(
    (segment) =>
      segment.type === PT_LOAD && address >= segment.address && address < segment.address + segment.sizeBytes,
  );
  if (home === undefined) throw new RangeError(`address ${address} is in no segment`);
  return home.offset + address - home.address;
}

function textAt(view: Buffer, offset: number): string {
  const end = view.indexOf(0, offset);
  if (offset >= view.length || end === -1) throw new RangeError(`no text at ${offset}`);
  return view.toString("latin1", offset, end);
}
