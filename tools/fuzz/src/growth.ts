/**
 * Inputs out of proportion: few fields many times, and what they cost to decode for each of their bytes.
 *
 * Changes of valid inputs stay near them, and are small. Two bytes that become a kilobyte are found when there are two
 * million of them: so the first {@link GROWN_FIRST} inputs of each decoder are such, and one in {@link GROWN_EVERY} of
 * the others.
 */
import { between, type Random } from "@lifeline/harness";
import { MAX_DECODED_BYTES } from "@lifeline/wire";
import { joined } from "./byte-mutation.ts";

/** How a decoder is given too much. */
export interface Growth {
  /** Draws the `at`-th such input, from 0. */
  draw(random: Random, at: number): Uint8Array;
  /** Only decodes, because its cost is measured. Returns the result, or nothing. */
  decode(input: Uint8Array): unknown;
}

/**
 * Inputs of each decoder that are out of proportion: the first ones, as many as there are lists in most messages; and
 * later ones.
 */
const GROWN_FIRST = 40;
const GROWN_EVERY = 1_000;

/** Which input out of proportion an input is, from 0; undefined: it is none. */
export function grownAt(index: number): number | undefined {
  if (index < GROWN_FIRST) return index;
  return index % GROWN_EVERY === 0 ? GROWN_FIRST + index / GROWN_EVERY : undefined;
}

/** What decoding one input took. */
export interface Cost {
  readonly inputBytes: number;
  /** Growth of heap and buffers, bytes: the result and all garbage of building it. */
  readonly heapBytes: number;
  readonly cpuNs: number;
}

/** What inputs out of proportion have cost at most; ratios are of those of at least 2 KiB. */
export interface GrowthCosts {
  readonly inputs: number;
  readonly inputBytesMost: number;
  readonly heapBytesMost: number;
  readonly heapBytesPerByte: number;
  readonly cpuNsPerByte: number;
}

export const NO_COSTS: GrowthCosts = {
  inputs: 0,
  inputBytesMost: 0,
  heapBytesMost: 0,
  heapBytesPerByte: 0,
  cpuNsPerByte: 0,
};

/** Below this size, bytes, the ratio shows only the fixed cost of any input. */
const RATIO_LEAST_BYTES = 2_048;

/** The costs with one more. */
export function withCost(costs: GrowthCosts, { inputBytes, heapBytes, cpuNs }: Cost): GrowthCosts {
  const ratio = (cost: number) => (inputBytes < RATIO_LEAST_BYTES ? 0 : cost / inputBytes);
  return {
    inputs: costs.inputs + 1,
    inputBytesMost: Math.max(costs.inputBytesMost, inputBytes),
    heapBytesMost: Math.max(costs.heapBytesMost, heapBytes),
    heapBytesPerByte: Math.max(costs.heapBytesPerByte, ratio(heapBytes)),
    cpuNsPerByte: Math.max(costs.cpuNsPerByte, ratio(cpuNs)),
  };
}

/**
 * What an input may cost: a part that any may, and one for each of its bytes. Heap: twice what a message may take
 * decoded, for lists leave their smaller selves behind; and eight bytes a byte. Time: what the slowest, a parser of
 * YAML, takes of a document that nests, on a machine that does other things; and ten times what decoding valid reports
 * takes.
 */
const HEAP_MOST = { fixedBytes: 2 * MAX_DECODED_BYTES, perByte: 8 };
const CPU_MOST = { fixedNs: 2_000_000_000, nsPerByte: 250 };

/** What an input cost too much of, and how much; undefined: nothing. */
export function excessOf({ inputBytes, heapBytes, cpuNs }: Cost) {
  const heapMost = HEAP_MOST.fixedBytes + HEAP_MOST.perByte * inputBytes;
  if (heapBytes > heapMost) {
    const detail = `${inputBytes} bytes took ${heapBytes} bytes of heap, want at most ${heapMost}`;
    return { kind: "costly-heap", detail } as const;
  }
  const cpuMost = CPU_MOST.fixedNs + CPU_MOST.nsPerByte * inputBytes;
  if (cpuNs <= cpuMost) return undefined;
  return {
    kind: "costly-time",
    detail: `${inputBytes} bytes took ${cpuNs} ns of work, want at most ${cpuMost}`,
  } as const;
}

/** The same bytes, repeated. */
export function times(piece: Uint8Array, count: number): Uint8Array {
  return piece.length === 0 ? piece : Buffer.alloc(count * piece.length, piece);
}

/** Longest piece of an input that is repeated. */
const PIECE_MAX_BYTES = 64;

/**
 * Growth for what has no structure that is known here: a drawn input, with a piece of it repeated up to `mostBytes`.
 */
export function byteGrowth(
  drawOne: (random: Random) => Uint8Array,
  mostBytes: number,
  decode: Growth["decode"],
): Growth {
  return {
    draw(random) {
      const input = drawOne(random);
      if (input.length === 0) return times(Uint8Array.of(between(random, 0, 255)), mostBytes);
      const at = between(random, 0, input.length - 1);
      const end = Math.min(input.length, at + between(random, 1, PIECE_MAX_BYTES));
      const count = Math.max(1, Math.floor((mostBytes - input.length) / (end - at)));
      return joined(input.subarray(0, at), times(input.subarray(at, end), count), input.subarray(end));
    },
    decode,
  };
}
