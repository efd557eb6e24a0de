/**
 * Reads of an ELF file what decides whether it can start: its machine, its interpreter and the libraries it needs (elf(5)).
 *
 * 1. Only 64-bit little-endian files, as both architectures have.
 * 2. Whatever the bytes are, it returns or throws an {@link ElfError}; every offset is held against the file's size first.
 */

/** Why a file that begins as an ELF file cannot be read. `code`: `damaged` or `foreign` (another class or byte order). */
export class ElfError extends Error {
  readonly code: "damaged" | "foreign";
  constructor(code: ElfError["code"], message: string) {
    super(message);
    this.name = "ElfError";
    this.code = code;
  }
}

/** What was read. */
export interface Elf {
  /** e_machine: 62 is x86-64, 183 AArch64; others are told as they are. */
  readonly machine: number;
  /** PT_INTERP; undefined: none, as a shared library or a static program. */
  readonly interpreter: string | undefined;
  /** DT_NEEDED, in order. */
  readonly needed: readonly string[];
}

const MAGIC = [0x7f, 0x45, 0x4c, 0x46];
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const DYNAMIC_ENTRY_BYTES = 16;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NULL = 0;
const DT_NEEDED = 1;
const DT_STRTAB = 5;

/** Longest name that is read, bytes: PATH_MAX of limits.h. */
const NAME_MAX_BYTES = 4_096;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly sizeBytes: number;
}

/** True when the bytes begin as an ELF file does. */
export function isElf(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, at) => bytes[at] === byte);
}

/** Reads an ELF file. @throws ElfError */
export function readElf(bytes: Uint8Array): Elf {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isElf(bytes) || bytes.length < HEADER_BYTES) throw new ElfError("damaged", "no whole ELF header");
  if (bytes[4] !== CLASS_64 || bytes[5] !== LITTLE_ENDIAN) {
    throw new ElfError("foreign", `class ${bytes[4]} and byte order ${bytes[5]}, not 64-bit and little-endian`);
  }
  const segments = segmentsOf(view);
  const interpreter = segments.find(({ type }) => type === PT_INTERP);
  return {
    machine: view.getUint16(18, true),
    interpreter: interpreter === undefined ? undefined : nameAt(bytes, interpreter.offset),
    needed: neededOf(view, bytes, segments),
  };
}

function segmentsOf(view: DataView): readonly Segment[] {
  const start = number(view, 32);
  const entryBytes = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  if (count > 0 && entryBytes < PROGRAM_HEADER_BYTES) {
    throw new ElfError("damaged", `program headers of ${entryBytes} bytes`);
  }
  within(view, start, count * entryBytes, "the program headers");
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * entryBytes;
    const type = view.getUint32(at, true);
    return { type, offset: number(view, at + 8), address: number(view, at + 16), sizeBytes: number(view, at + 32) };
  });
}

function neededOf(view: DataView, bytes: Uint8Array, segments: readonly Segment[]): readonly string[] {
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamic === undefined) return [];
  within(view, dynamic.offset, dynamic.sizeBytes, "the dynamic section");
  const names: number[] = [];
  let table: number | undefined;
  for (let at = dynamic.offset; at + DYNAMIC_ENTRY_BYTES <= dynamic.offset + dynamic.sizeBytes; at += 16) {
    const tag = number(view, at);
    if (tag === DT_NULL) break;
    if (tag === DT_NEEDED) names.push(number(view, at + 8));
    if (tag === DT_STRTAB) table = number(view, at + 8);
  }
  if (names.length === 0) return [];
  const holder = segments.find(
    ({ type, address, sizeBytes }) =>
      type === PT_LOAD && table !== undefined && table >= address && table < address + sizeBytes,
  );
  if (holder === undefined || table === undefined) throw new ElfError("damaged", "its string table is in no segment");
  const start = holder.offset + table - holder.address;
  return names.map((name) => nameAt(bytes, start + name));
}

/** A 64-bit number. Beyond 2^53 it lies outside any file, and is told as infinite. */
function number(view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(value);
}

function within(view: DataView, at: number, sizeBytes: number, what: string): void {
  if (at + sizeBytes <= view.byteLength) return;
  throw new ElfError("damaged", `${what} end at byte ${at + sizeBytes} of ${view.byteLength}`);
}

function nameAt(bytes: Uint8Array, at: number): string {
  const end = at < bytes.length ? bytes.subarray(at, at + NAME_MAX_BYTES).indexOf(0) : -1;
  if (end < 1) throw new ElfError("damaged", `no name at byte ${at}`);
  return Buffer.from(bytes.subarray(at, at + end)).toString("latin1");
}
