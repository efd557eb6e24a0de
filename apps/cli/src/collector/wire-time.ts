/** Times as the wire carries them: whole numbers, 0 or absent where nothing is known. */

/** A 64-bit number of the wire, or none. */
export type WireTime = bigint | undefined;

/** Wall time in ms since the epoch; null for 0 and for absent, which both say that it is not known. */
export function atMs(time: WireTime): number | null {
  return time === undefined || time === 0n ? null : Number(time);
}

/** ISO 8601 in UTC, ms since the epoch in; null stays null. */
export function isoTime(ms: number): string;
export function isoTime(ms: number | null): string | null;
export function isoTime(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
