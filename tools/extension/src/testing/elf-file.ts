/** The smallest ELF files that a loader would read: one loaded segment with its dynamic section and its strings. */

export interface ElfParts {
  readonly machine?: number;
  readonly interpreter?: string;
  readonly needed?: readonly string[];
}

const HEADER_BYTES = 64;
const SEGMENT_BYTES = 56;
/** Where the file says it is loaded. */
const BASE = 0x400000;

/** An ELF file of these parts (elf(5)); by default for x86-64, needing nothing. */
export function elfFile({ machine = 62, interpreter, needed = [] }: ElfParts): Buffer {
  const texts = ["", ...needed, ...(interpreter === undefined ? [] : [interpreter])];
  const strings = Buffer.from(`${texts.join("\0")}\0`, "latin1");
  const offsetOf = (text: string) => Buffer.from(`\0${strings.toString("latin1")}`).indexOf(`\0${text}\0`);
  const segmentCount = interpreter === undefined ? 2 : 3;
  const dynamicAt = HEADER_BYTES + segmentCount * SEGMENT_BYTES;
  const tags = [...needed.map((name) => [1, offsetOf(name)] as const), [5, 0] as const, [0, 0] as const];
  const stringsAt = dynamicAt + tags.length * 16;
  const file = Buffer.alloc(stringsAt + strings.length);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(file);
  file.writeUInt16LE(machine, 18);
  file.writeBigUInt64LE(BigInt(HEADER_BYTES), 32);
  file.writeUInt16LE(SEGMENT_BYTES, 54);
  file.writeUInt16LE(segmentCount, 56);
  const segment = (index: number, type: number, at: number, sizeBytes: number) => {
    const place = HEADER_BYTES + index * SEGMENT_BYTES;
    file.writeUInt32LE(type, place);
    file.writeBigUInt64LE(BigInt(at), place + 8);
    file.writeBigUInt64LE(BigInt(BASE + at), place + 16);
    file.writeBigUInt64LE(BigInt(sizeBytes), place + 32);
  };
  segment(0, 1, 0, file.length);
  segment(1, 2, dynamicAt, tags.length * 16);
  if (interpreter !== undefined) segment(2, 3, stringsAt + offsetOf(interpreter), interpreter.length + 1);
  for (const [index, [tag, value]] of tags.entries()) {
    file.writeBigUInt64LE(BigInt(tag), dynamicAt + index * 16);
    file.writeBigUInt64LE(BigInt(tag === 5 ? BASE + stringsAt : value), dynamicAt + index * 16 + 8);
  }
  strings.copy(file, stringsAt);
  return file;
}
