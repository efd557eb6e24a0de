/** DER as a tree (X.690 §8): read, changed with its lengths kept right, and written. */
import { between, pick, type Random } from "@lifeline/harness";
import { joined, mutateBytes } from "./byte-mutation.ts";

/** A value: bytes, or the values it is made of. */
export interface DerValue {
  /** The identifier octet; bit 6 marks a value that consists of values. */
  readonly tag: number;
  readonly content: Uint8Array | readonly DerValue[];
}

const CONSTRUCTED = 0x20;

/** Tags that a value may be given: those of certificates, and an unknown one. */
const TAGS = [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13, 0x16, 0x17, 0x1e, 0x30, 0x31, 0xa0, 0xa3, 0x5f] as const;

/** The values that `bytes` are, one after another; undefined when they are no DER. */
export function readDer(bytes: Uint8Array): readonly DerValue[] | undefined {
  const values: DerValue[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] ?? 0;
    const length = readLength(bytes, at + 1);
    if (length === undefined || length.end + length.value > bytes.length) return undefined;
    const content = bytes.subarray(length.end, length.end + length.value);
    const inner = (tag & CONSTRUCTED) === 0 ? undefined : readDer(content);
    values.push({ tag, content: inner ?? content });
    at = length.end + length.value;
  }
  return values;
}

/** The bytes of a value. */
export function writeDer({ tag, content }: DerValue): Uint8Array {
  const body = content instanceof Uint8Array ? content : joined(...content.map(writeDer));
  return joined(Uint8Array.of(tag), lengthOf(body.length), body);
}

/** One change somewhere in the tree; `donor` is one whose values may be grafted. */
export function mutateDer(random: Random, value: DerValue, donor: DerValue): DerValue {
  const { tag, content } = value;
  if (content instanceof Uint8Array) {
    return random() < 0.2 ? { tag: pick(random, TAGS), content } : { tag, content: mutateBytes(random, content) };
  }
  const at = between(random, 0, Math.max(0, content.length - 1));
  const inner = content[at];
  if (inner !== undefined && random() < 0.8) return { tag, content: content.with(at, mutateDer(random, inner, donor)) };
  switch (between(random, 0, 3)) {
    case 0:
      return { tag, content: content.toSpliced(at, 1) };
    case 1:
      return { tag, content: inner === undefined ? [] : content.toSpliced(at, 0, inner) };
    case 2:
      return { tag: pick(random, TAGS), content };
    default:
      return { tag, content: content.toSpliced(at, between(random, 0, 1), pieceOf(random, donor)) };
  }
}

function pieceOf(random: Random, value: DerValue): DerValue {
  const { content } = value;
  const isLeaf = content instanceof Uint8Array || content.length === 0 || random() < 0.3;
  return isLeaf ? value : pieceOf(random, pick(random, content));
}

function readLength(bytes: Uint8Array, at: number): { value: number; end: number } | undefined {
  const first = bytes[at];
  if (first === undefined || first === 0x80 || first > 0x84) return undefined;
  if (first < 0x80) return { value: first, end: at + 1 };
  const octets = first & 0x7f;
  let value = 0;
  for (let octet = 1; octet <= octets; octet += 1) value = value * 256 + (bytes[at + octet] ?? 0);
  return { value, end: at + 1 + octets };
}

function lengthOf(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return Uint8Array.of(0x80 + octets.length, ...octets);
}
