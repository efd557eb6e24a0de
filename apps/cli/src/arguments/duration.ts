/** Spans of time as people type them: a whole number and a unit. */

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Longest age, ms: ten years, beyond any store. */
const AGE_MAX_MS = 3_650 * 86_400_000;

/** What an age looks like, for messages. */
export const AGE_WANTED = "a whole number of s, m, h or d, at most 3650d, such as 12h";

/** Reads a whole number of s, m, h or d, such as `12h`, in ms; undefined: it is none. */
export function readDurationMs(text: string): number | undefined {
  const [, digits, unit = ""] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const unitMs = UNIT_MS[unit];
  return unitMs === undefined ? undefined : Number(digits) * unitMs;
}

/** An age in ms, longer than nothing; undefined for any other text. */
export function readAgeMs(text: string): number | undefined {
  const ms = readDurationMs(text);
  return ms !== undefined && ms > 0 && ms <= AGE_MAX_MS ? ms : undefined;
}
