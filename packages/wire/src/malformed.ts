/**
 * Checks of decoded input. A value that is wrong becomes a {@link Malformed} with the field, the value and what was
 * expected.
 */
import { visibleText } from "@lifeline/measure";

/** Why a message was refused. */
export interface Malformed {
  /** Path of the field, such as `windows[3].start_unix_ms`. */
  readonly field: string;
  /** The value, as visible text of one line, cut at 80 characters. */
  readonly value: string;
  /** What was expected. */
  readonly expected: string;
}

/** A decoded value, or why it was refused. */
export type Decoded<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly malformed: Malformed };

/** Longest value quoted back in an error. */
const MAX_QUOTED_LENGTH = 80;

class MalformedError extends Error {
  readonly malformed: Malformed;
  constructor(malformed: Malformed) {
    super(`${malformed.field}: got ${malformed.value}, want ${malformed.expected}`);
    this.malformed = malformed;
  }
}

/** Refuses the input. Call it only inside {@link decoding}. */
export function refuse(field: string, value: unknown, expected: string): never {
  const shown = visibleText(String(value).slice(0, MAX_QUOTED_LENGTH));
  // A pair may be cut in half.
  throw new MalformedError({ field, value: shown.slice(0, MAX_QUOTED_LENGTH).toWellFormed(), expected });
}

/** Runs a decoder and returns its refusal as a value. Other errors are defects and are thrown on. */
export function decoding<T>(read: () => T): Decoded<T> {
  try {
    return { ok: true, value: read() };
  } catch (error) {
    if (error instanceof MalformedError) return { ok: false, malformed: error.malformed };
    throw error;
  }
}

/** The value of another decoder's result; its refusal is refused here, too. Call it only inside {@link decoding}. */
export function decoded<T>(read: Decoded<T>): T {
  if (!read.ok) throw new MalformedError(read.malformed);
  return read.value;
}

/** A number or bigint as an integer within `min`…`max`. */
export function integer(field: string, value: number | bigint, min: number, max: number): number {
  const asNumber = Number(value);
  if (!Number.isSafeInteger(asNumber) || asNumber < min || asNumber > max) {
    refuse(field, value, `an integer from ${min} to ${max}`);
  }
  return asNumber;
}

/**
 * A string of `min`…`max` UTF-16 units without control characters: C0, DEL and C1, of which one alone (U+009B) begins
 * an escape sequence.
 */
export function text(field: string, value: string, min: number, max: number): string {
  if (value.length < min || value.length > max)
    refuse(field, value, `${min} to ${max} characters, not ${value.length}`);
  for (let at = 0; at < value.length; at++) {
    const unit = value.charCodeAt(at);
    if (unit < 0x20 || (unit >= 0x7f && unit <= 0x9f)) refuse(field, value, "text without control characters");
  }
  return value;
}

/** A list of at most `max` entries. */
export function list<T>(field: string, value: readonly T[], max: number): readonly T[] {
  if (value.length > max) refuse(field, `${value.length} entries`, `at most ${max}`);
  return value;
}

/** A list of exactly `length` entries. */
export function sameLength<T>(field: string, value: readonly T[], length: number): readonly T[] {
  if (value.length !== length) refuse(field, `${value.length} entries`, `${length}, one for each of its column`);
  return value;
}
