/** Random bytes and byte mutations that ignore the format. */
import { between, pick, type Random } from "@lifeline/harness";

/**
 * What decoders trip over: ends of number ranges in both byte orders, magics, tags of lengths that lie, breaks of
 * UTF-8.
 */
const TOKENS: readonly Uint8Array[] =
  `00 ff 7f 80 ffff 7fff 8000 ffffffff 7fffffff 80000000 ffffffffffffffff ffffffffffffff1f 0000000000002000 ffffffffffffffffff01 80808080808080808080 ffffffff0f 0a00 0aff
  12ffffffff0f c0c0 c00c 4c4c5331 3080 3082ffff 308400ffffff c3 eda080 f4908080 efbbbf 0a 09`
    .split(/\s+/)
    .map((hex) => Buffer.from(hex, "hex"));

/** Random bytes, some of them tokens; mostly short, now and then up to `mostBytes`. */
export function drawBytes(random: Random, mostBytes: number): Uint8Array {
  const length = between(random, 0, random() < 0.02 ? mostBytes : Math.min(mostBytes, 200));
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const token = random() < 0.2 ? pick(random, TOKENS) : undefined;
    if (token !== undefined && at + token.length <= length) {
      bytes.set(token, at);
      at += token.length;
    } else bytes[at++] = Math.floor(random() * 256);
  }
  return bytes;
}

/** One change: a flipped bit, another byte, a token over or between, a cut, a piece left out, repeated or moved. */
export function mutateBytes(random: Random, bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) return pick(random, TOKENS);
  const at = between(random, 0, bytes.length - 1);
  const end = Math.min(bytes.length, at + between(random, 1, 16));
  const piece = bytes.subarray(at, end);
  switch (between(random, 0, 7)) {
    case 0:
      return changed(bytes, at, (bytes[at] ?? 0) ^ (1 << between(random, 0, 7)));
    case 1:
      return changed(bytes, at, between(random, 0, 255));
    case 2:
      return overwritten(bytes, at, pick(random, TOKENS));
    case 3:
      return joined(bytes.subarray(0, at), pick(random, TOKENS), bytes.subarray(at));
    case 4:
      return bytes.slice(0, at);
    case 5:
      return joined(bytes.subarray(0, at), bytes.subarray(end));
    case 6:
      return joined(bytes.subarray(0, end), piece, bytes.subarray(end));
    default:
      return overwritten(bytes, between(random, 0, bytes.length - 1), piece);
  }
}

/** The pieces one after another. */
export function joined(...pieces: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(pieces));
}

function changed(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = value;
  return copy;
}

function overwritten(bytes: Uint8Array, at: number, over: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy.set(over.subarray(0, copy.length - at), at);
  return copy;
}
