/**
 * One fuzzed decoder: the generator of its inputs, and the laws its results must keep.
 *
 * 1. Each input has a random generator of its own, so (seed, decoder, index) always give the same input.
 * 2. A check throws when the decoder breaks a law. A refusal by the decoder is not an error.
 */
import { strict as assert } from "node:assert";
import { isDeepStrictEqual } from "node:util";
import { type Random, randomFrom } from "@lifeline/harness";
import { type Growth, grownAt } from "./growth.ts";

/** The outcome of one input. */
export type Verdict = "decoded" | "refused";

/** A decoder under test. */
export interface Decoder {
  readonly name: string;
  /** Draws an input. */
  draw(random: Random): Uint8Array;
  /** Decodes it and holds the laws. Throws, or rejects, where one does not hold. */
  check(input: Uint8Array): Verdict | Promise<Verdict>;
  /** How it is given too much; undefined: it is not. */
  readonly growth?: Growth;
}

/** The decoder breaks a law. */
export class BrokenLaw extends Error {
  constructor(message: string) {
    super(message);
    this.name = "BrokenLaw";
  }
}

/** Throws a {@link BrokenLaw} with that message unless `isKept`. */
export function law(isKept: boolean, words: string): asserts isKept {
  if (!isKept) throw new BrokenLaw(words);
}

/** Throws unless both are the same value. */
export function lawSame(words: string, actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) assert.deepStrictEqual(actual, expected, words);
}

/**
 * Whether a decoded document is written and read again: one time in four, chosen by the input alone. Parsing YAML costs
 * more than everything else done with it.
 */
export function isReread(input: Uint8Array): boolean {
  return input.length % 4 === 0;
}

/** What `decode` gives, or undefined when it throws the error that it refuses with. Any other error passes through. */
export function unlessRefused<T>(refusal: abstract new (...args: never[]) => Error, decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof refusal) return undefined;
    throw error;
  }
}

/** The input of that name: FNV-1a of the decoder's name tells decoders apart, an odd factor spreads the indexes. */
export function inputOf(decoder: Decoder, seed: number, index: number): Uint8Array {
  let hash = 0x811c9dc5;
  for (const unit of decoder.name) hash = Math.imul(hash ^ unit.charCodeAt(0), 0x0100_0193);
  const random = randomFrom((hash ^ seed ^ Math.imul(index + 1, 0x9e37_79b1)) >>> 0);
  const at = grownAt(index);
  return decoder.growth === undefined || at === undefined ? decoder.draw(random) : decoder.growth.draw(random, at);
}
