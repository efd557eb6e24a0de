/**
 * NTP-format timestamps of STAMP (RFC 8762 §4.2.1, RFC 5905 §6): 32 bits of seconds since 1900 and 32 bits of fraction.
 *
 * 1. A timestamp is only compared with another one of the same host: differences are durations, values are labels (M2).
 * 2. Differences are taken modulo 2^64 and read as signed, so they survive the end of NTP era 0 in 2036 (RFC 5905 §6).
 */

/** A 64-bit NTP timestamp, 0 ≤ value < 2^64; one unit is 2^-32 s (233 ps). */
export type NtpTimestamp = bigint;

/** Seconds from 1900-01-01 to 1970-01-01: 70 years with 17 leap days (RFC 5905 §6, figure 4). */
const NTP_UNIX_OFFSET_SECONDS = 2_208_988_800n;

const NS_PER_SECOND = 1_000_000_000n;
const MS_PER_SECOND = 1_000n;

/** The NTP timestamp of a wall time in ms since the Unix epoch. Parts of a millisecond are kept, to the nanosecond. */
export function ntpFromWallMs(wallMs: number): NtpTimestamp {
  const wholeMs = Math.floor(wallMs);
  const partNs = Math.floor((wallMs - wholeMs) * 1_000_000);
  const shiftedMs = BigInt(wholeMs) + NTP_UNIX_OFFSET_SECONDS * MS_PER_SECOND;
  return addNs(BigInt.asUintN(64, (shiftedMs << 32n) / MS_PER_SECOND), partNs);
}

/** `from` moved by `durationNs` (a safe integer, either sign), wrapping at the end of the era. */
export function addNs(from: NtpTimestamp, durationNs: number): NtpTimestamp {
  return BigInt.asUintN(64, from + (BigInt(Math.round(durationNs)) << 32n) / NS_PER_SECOND);
}

/** Nanoseconds from `earlier` to `later`, rounded; negative when `later` is before `earlier`. Range ±68 years. */
export function elapsedNs(earlier: NtpTimestamp, later: NtpTimestamp): number {
  const units = BigInt.asIntN(64, later - earlier);
  return Number((units * NS_PER_SECOND + (1n << 31n)) >> 32n);
}
