/**
 * Which packet sizes a path carries, asked in rounds of parallel packets. Pure.
 *
 * A path carries every size up to its limit and none above: sizes above the limit are all silent, one below may be lost by chance. So a
 * size is carried when it, or any larger one, was answered, and nothing is concluded from one silence.
 */

/** Sizes asked in one round. */
const ROUND_SIZES = 8;

/** Rounds of one search: eight sizes each divide 924 bytes (576 to 1,500) by nine thrice, to two bytes. */
export const ROUNDS_MAX = 3;

/** Largest size asked for, bytes: the MTU of Ethernet (RFC 894). */
export const SIZE_MAX_BYTES = 1_500;

/** Least size asked for, by family, bytes: what every host must take (RFC 791 §3.1, RFC 8200 §5). */
export const SIZE_MIN_BYTES = { 4: 576, 6: 1_280 } as const;

/** Sizes at or above the required one in the first round: so many silences in a row are not chance. */
const ABOVE_LEAST = 4;

/** What is known of a path. */
export interface SizeBounds {
  /** Largest size that was answered, bytes; 0: none. */
  readonly carriedBytes: number;
  /** Least size above it that was asked and silent; undefined: none. */
  readonly silentBytes: number | undefined;
}

/** The sizes of the first round: the least, the required, {@link ABOVE_LEAST} above it, and some between; each once, rising. */
export function firstSizes(leastBytes: number, requiredBytes: number): readonly number[] {
  const most = Math.max(SIZE_MAX_BYTES, requiredBytes + ABOVE_LEAST);
  const above = spread(requiredBytes, most, ABOVE_LEAST);
  const below = leastBytes < requiredBytes ? spread(leastBytes, requiredBytes, 3) : [];
  return rising([leastBytes, ...below, requiredBytes, ...above, most]);
}

/** The sizes of a further round, strictly between what is carried and what was silent; empty when the limit is known. */
export function furtherSizes({ carriedBytes, silentBytes }: SizeBounds): readonly number[] {
  if (carriedBytes === 0 || silentBytes === undefined) return [];
  return rising(spread(carriedBytes, silentBytes, ROUND_SIZES)).filter(
    (size) => size > carriedBytes && size < silentBytes,
  );
}

/** What the answers of all rounds so far tell. */
export function boundsOf(asked: Iterable<number>, answered: ReadonlySet<number>): SizeBounds {
  const carriedBytes = Math.max(0, ...answered);
  const silent = [...asked].filter((size) => size > carriedBytes);
  return { carriedBytes, silentBytes: silent.length === 0 ? undefined : Math.min(...silent) };
}

/** Whether the required size is carried; undefined: nothing came back, which tells nothing of sizes. */
export function carriesRequired({ carriedBytes }: SizeBounds, requiredBytes: number): boolean | undefined {
  return carriedBytes === 0 ? undefined : carriedBytes >= requiredBytes;
}

function spread(from: number, to: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => Math.round(from + ((to - from) * (at + 1)) / (count + 1)));
}

function rising(sizes: readonly number[]): readonly number[] {
  return [...new Set(sizes)].sort((a, b) => a - b);
}
