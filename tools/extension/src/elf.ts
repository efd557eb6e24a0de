/**
 * What the dynamic loader reads of an ELF file: its machine, its interpreter and the libraries it needs (elf(5)).
 * Only 64-bit little-endian files, which both architectures have.
 */
import { ExtensionError } from "./extension-error.ts";

/** What decides whether a program can start. */
export interface Elf {
  /** e_machine: 62 is x86-64, 183 is AArch64. */
  readonly machine: number;
  /** PT_INTERP; undefined in a shared library or a static program. */
  readonly interpreter: string | undefined;
  /** DT_NEEDED, in order. */
  readonly needed: readonly string[];
}

const MAGIC = Buffer.from("\x7fELF", "latin1");
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DYNAMIC_ENTRY_BYTES = 16;
const DT_NULL = 0;
const DT_NEEDED = 1;
const DT_STRTAB = 5;

/** Longest name that is read, bytes: PATH_MAX of limits.h. */
const NAME_MAX_BYTES = 4_096;

/** Whether the bytes begin as an ELF file does. */
export function isElf(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, at) => bytes[at] === byte);
}

/** Reads an ELF file. Throws ExtensionError `binary`, naming `path`, unless it is a whole 64-bit little-endian one. */
export function readElf(bytes: Uint8Array, path: string): Elf {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isElf(file) || file[4] !== CLASS_64 || file[5] !== LITTLE_ENDIAN)
    throw new ExtensionError("binary", `${path}: want a 64-bit little-endian ELF file`);
  try {
    const segments = segmentsOf(file);
    const interpreter = segments.find(({ type }) => type === PT_INTERP);
    return {
      machine: file.readUInt16LE(18),
      interpreter: interpreter === undefined ? undefined : nameAt(file, interpreter.offset),
      needed: neededOf(file, segments),
    };
  } catch (error) {
    // Node throws a RangeError for each read beyond the end of the file.
    if (!(error instanceof RangeError)) throw error;
    throw new ExtensionError("binary", `${path}: damaged ELF file: ${error.message}`);
  }
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly sizeBytes: number;
}

function segmentsOf(file: Buffer): readonly Segment[] {
  const [start, entryBytes, count] = [wordAt(file, 32), file.readUInt16LE(54), file.readUInt16LE(56)];
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * entryBytes;
    const [offset, address, sizeBytes] = [8, 16, 32].map((field) => wordAt(file, at + field)) as [
      number,
      number,
      number,
    ];
    return { type: file.readUInt32LE(at), offset, address, sizeBytes };
  });
}

function neededOf(file: Buffer, segments: readonly Segment[]): readonly string[] {
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamic === undefined) return [];
  const names: number[] = [];
  let tableAddress = Number.NaN;
  const end = dynamic.offset + dynamic.sizeBytes;
  for (let at = dynamic.offset; at + DYNAMIC_ENTRY_BYTES <= end; at += DYNAMIC_ENTRY_BYTES) {
    const tag = wordAt(file, at);
    if (tag === DT_NULL) break;
    if (tag === DT_NEEDED) names.push(wordAt(file, at + 8));
    if (tag === DT_STRTAB) tableAddress = wordAt(file, at + 8);
  }
  if (names.length === 0) return [];
  const holder = segments.find(
    ({ type, address, sizeBytes }) => type === PT_LOAD && tableAddress >= address && tableAddress < address + sizeBytes,
  );
  if (holder === undefined) throw new RangeError("its string table is in no segment");
  return names.map((name) => nameAt(file, holder.offset + tableAddress - holder.address + name));
}

/** A 64-bit word. Beyond 2^53 it loses digits, but is outside any file all the same. */
const wordAt = (file: Buffer, at: number) => Number(file.readBigUInt64LE(at));

function nameAt(file: Buffer, at: number): string {
  const length = at < file.length ? file.subarray(at, at + NAME_MAX_BYTES).indexOf(0) : -1;
  if (length < 1) throw new RangeError(`no name at byte ${at}`);
  return file.toString("latin1", at, at + length);
}
