/**
 * How far this host's clock is off, by a time server's answer (RFC 5905 §8). The UDP probe's datagram of 48 bytes is an
 * NTP client request, so the answer carries the server's clock, and nothing more is sent for it.
 *
 * A server that is not synchronised, refuses (stratum 0, "kiss of death") or does not answer this request gives no
 * sample (M4).
 */
import { NS_PER_MS } from "@lifeline/measure";
import { elapsedNs, ntpFromWallMs } from "@lifeline/stamp";

/** One comparison of this host's clock with a time server's. */
export interface ClockSample {
  /** How far this host's clock is behind the server's, ms; negative: ahead. It errs by half of `rttMs` at most. */
  readonly offsetMs: number;
  /** Round-trip time of the exchange, ms. */
  readonly rttMs: number;
}

/** Bytes of an NTP packet without extensions (RFC 5905 §7.3). */
export const NTP_PACKET_BYTES = 48;

/**
 * Association mode of a server's answer, and the leap indicator of a server that is not synchronised (RFC 5905 §7.3).
 */
const MODE_SERVER = 4;
const LEAP_UNSYNCHRONISED = 3;

/** Highest stratum of a synchronised server (RFC 5905 §7.3, figure 11). */
const STRATUM_MAX = 15;

/** Where the three timestamps stand (RFC 5905 §7.3, figure 8): 32 bits of seconds and 32 bits of fraction each. */
const ORIGIN_AT = 24;
const RECEIVE_AT = 32;
const TRANSMIT_AT = 40;

/**
 * The sample of an answer to a request whose transmit timestamp was zero; undefined when it is none. `sentAtMs` is this
 * host's wall time when the request left.
 */
export function clockSampleOf(answer: Uint8Array, sentAtMs: number, rttMs: number): ClockSample | undefined {
  if (answer.length < NTP_PACKET_BYTES) return undefined;
  const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
  const first = view.getUint8(0);
  const stratum = view.getUint8(1);
  const isSynchronised = first >> 6 !== LEAP_UNSYNCHRONISED && stratum >= 1 && stratum <= STRATUM_MAX;
  // A server copies the request's transmit timestamp to the origin of its answer.
  const isAnswer = (first & 7) === MODE_SERVER && view.getBigUint64(ORIGIN_AT) === 0n;
  const sent = view.getBigUint64(TRANSMIT_AT);
  if (!isSynchronised || !isAnswer || sent === 0n) return undefined;
  const aheadNs = elapsedNs(ntpFromWallMs(sentAtMs), view.getBigUint64(RECEIVE_AT));
  const backNs = elapsedNs(ntpFromWallMs(sentAtMs + rttMs), sent);
  return { offsetMs: (aheadNs + backNs) / 2 / NS_PER_MS, rttMs };
}
