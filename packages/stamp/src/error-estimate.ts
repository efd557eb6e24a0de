/** How well the clock that made a timestamp is known (RFC 8762 §4.2.1, RFC 4656 §4.1.2): two bytes beside each timestamp. */

/** The error bound is `multiplier × 2^(scale − 32)` seconds. */
export interface ErrorEstimate {
  /** S bit: the clock is synchronised to UTC by an external source. */
  readonly synchronised: boolean;
  /** Z bit: NTP 64-bit format, or the PTPv2 truncated one, which Lifeline recognises and does not speak. */
  readonly format: "ntp" | "ptp";
  /** 0–63. */
  readonly scale: number;
  /** 1–255; zero marks a corrupt packet (RFC 4656 §4.1.2). */
  readonly multiplier: number;
}

/**
 * What Lifeline says of its own timestamps: unsynchronised as far as it knows, NTP format, and wrong by up to about the
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

/** The estimate of 16 bits, any of which are meaningful but a zero multiplier: the caller judges that. */
export function errorEstimateOf(bits: number): ErrorEstimate {
  return {
    synchronised: (bits & SYNCHRONISED_BIT) !== 0,
    format: (bits & PTP_BIT) === 0 ? "ntp" : "ptp",
    scale: (bits >> 8) & SCALE_MAX,
    multiplier: bits & 0xff,
  };
}
