/**
 * Which packet sizes a path carries, probed in rounds of parallel packets. Pure.
 *
 * A path carries every size up to its limit and none above. All sizes above the limit are silent; a size below it may
 * be lost by chance. So a size is carried when it, or any larger one, was answered, and one silence proves nothing.
 */

/** Sizes probed in one round. */
const ROUND_SIZES = 8;

/** Rounds of one search: eight sizes each divide 924 bytes (576 to 1,500) by nine thrice, to two bytes. */
export const ROUNDS_MAX = 3;

/** Largest size probed, bytes: the MTU of Ethernet (RFC 894). */
export const SIZE_MAX_BYTES = 1_500;

/** Least size probed, by family, bytes: what every host must accept (RFC 791 §3.1, RFC 8200 §5). */
export const SIZE_MIN_BYTES = { 4: 576, 6: 1_280 } as const;

/** Sizes at or above the required one in the first round: so many silences in a row are not chance. */
const ABOVE_LEAST = 4;

/** What is known of a path. */
export interface SizeBounds {
  /** Largest size that was answered, bytes; 0: none. */
  readonly carriedBytes: number;
  /** Least size above it that was probed and silent; undefined: none. */
  readonly silentBytes: number | undefined;
}

/**
 * The sizes of the first round, each once, ascending: the least, the required, {@link ABOVE_LEAST} above it, and some
 * between.
 */
export function firstSizes(leastBytes: number, requiredBytes: number): readonly number[] {
  const most = Math.max(SIZE_MAX_BYTES, requiredBytes + ABOVE_LEAST);
  const above = spread(requiredBytes, most, ABOVE_LEAST);
  const below = leastBytes < requiredBytes ? spread(leastBytes, requiredBytes, 3) : [];
  return ascending([leastBytes, ...below, requiredBytes, ...above, most]);
}

/**
 * The sizes of a further round, strictly between what is carried and what was silent; empty when the limit is known.
 */
export function furtherSizes({ carriedBytes, silentBytes }: SizeBounds): readonly number[] {
  if (carriedBytes === 0 || silentBytes === undefined) return [];
  return ascending(spread(carriedBytes, silentBytes, ROUND_SIZES)).filter(
    (size) => size > carriedBytes && size < silentBytes,
  );
}

/** What the answers of all rounds so far show. */
export function boundsOf(probed: Iterable<number>, answered: ReadonlySet<number>): SizeBounds {
  const carriedBytes = Math.max(0, ...answered);
  const silent = [...probed].filter((size) => size > carriedBytes);
  return { carriedBytes, silentBytes: silent.length === 0 ? undefined : Math.min(...silent) };
}

/** Whether the required size is carried; undefined: nothing came back, so the sizes remain unknown. */
export function carriesRequired({ carriedBytes }: SizeBounds, requiredBytes: number): boolean | undefined {
  return carriedBytes === 0 ? undefined : carriedBytes >= requiredBytes;
}

function spread(from: number, to: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => Math.round(from + ((to - from) * (at + 1)) / (count + 1)));
}

function ascending(sizes: readonly number[]): readonly number[] {
  return [...new Set(sizes)].sort((a, b) => a - b);
}
