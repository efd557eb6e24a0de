/** The error estimate of a timestamp (RFC 8762 §4.2.1, RFC 4656 §4.1.2): two bytes after it. */

/** The error bound is `multiplier × 2^(scale − 32)` seconds. */
export interface ErrorEstimate {
  /** S bit: the clock is synchronised to UTC by an external source. */
  readonly synchronised: boolean;
  /** Z bit: NTP 64-bit format, or the truncated one of PTPv2, which Lifeline recognises and does not support. */
  readonly format: "ntp" | "ptp";
  /** 0–63. */
  readonly scale: number;
  /** 1–255; zero marks a corrupt packet (RFC 4656 §4.1.2). */
  readonly multiplier: number;
}

/**
 * The estimate of Lifeline's own timestamps: not known to be synchronised, NTP format, and an error of about the
 * millisecond that `Clock.wallMs` resolves: 1 × 2^(22−32) s = 0.98 ms.
 */
export const OWN_ERROR_ESTIMATE: ErrorEstimate = { synchronised: false, format: "ntp", scale: 22, multiplier: 1 };

const SYNCHRONISED_BIT = 0x8000;
const PTP_BIT = 0x4000;
const SCALE_MAX = 0x3f;

/** The 16 bits of an estimate. */
export function errorEstimateBits({ synchronised, format, scale, multiplier }: ErrorEstimate): number {
  return (synchronised ? SYNCHRONISED_BIT : 0) | (format === "ptp" ? PTP_BIT : 0) | (scale << 8) | multiplier;
}

/** The estimate in 16 bits. Only a multiplier of zero is invalid, and the caller checks that. */
export function errorEstimateOf(bits: number): ErrorEstimate {
  return {
    synchronised: (bits & SYNCHRONISED_BIT) !== 0,
    format: (bits & PTP_BIT) === 0 ? "ntp" : "ptp",
    scale: (bits >> 8) & SCALE_MAX,
    multiplier: bits & 0xff,
  };
}
