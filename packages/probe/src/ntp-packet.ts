/** NTP packets (RFC 5905 §7.3): the request of a client, and the answer of a server to it. */
import type { NtpTimestamp } from "@lifeline/stamp";

/** Bytes of a packet without extension fields (RFC 5905 §7.3, figure 8). */
export const NTP_PACKET_BYTES = 48;

/** Leap indicator 0, version 4, mode 3: a client's request. */
const CLIENT_REQUEST = 0x23;

/** Association mode of a server's answer. */
const MODE_SERVER = 4;

/** Versions whose answers have this format (RFC 1305, RFC 5905). */
const VERSIONS: readonly number[] = [3, 4];

/** Leap indicator of a server that is not synchronised. */
const LEAP_UNSYNCHRONISED = 3;

/** Highest stratum of a synchronised server (RFC 5905 §7.3, figure 11). */
const STRATUM_MAX = 15;

/** MAXDISP: the root distance from which a server is of no use, µs: 16 s (RFC 5905 §7.2, A.5.1.1). */
const ROOT_DISTANCE_MAX_US = 16_000_000;

/** Offsets of the fields (RFC 5905 §7.3, figure 8). */
const STRATUM_AT = 1;
const POLL_AT = 2;
const ROOT_DELAY_AT = 4;
const ROOT_DISPERSION_AT = 8;
const REFERENCE_ID_AT = 12;
const REFERENCE_ID_BYTES = 4;
const ORIGIN_AT = 24;
const RECEIVE_AT = 32;
const TRANSMIT_AT = 40;

/** Units of the short format in a second: 16 bits of fraction (RFC 5905 §6). */
const SHORT_UNITS_PER_S = 0x1_0000;
const US_PER_S = 1_000_000;

/** What a server answered. */
export interface NtpAnswer {
  readonly stratum: number;
  readonly rootDelayUs: number;
  readonly rootDispersionUs: number;
  /** The server's clock when the request arrived, and when the answer left. */
  readonly receivedAt: NtpTimestamp;
  readonly sentAt: NtpTimestamp;
  /** Whether the server's time may be used. */
  readonly isSynchronised: boolean;
  /** The code of a kiss-o'-death, such as RATE (RFC 5905 §7.4); undefined: it is none. */
  readonly kiss: string | undefined;
  /** The poll interval that the server names, log2 of seconds, −128 to 127. */
  readonly pollExponent: number;
}

/**
 * A client's request. All fields but the transmit timestamp are zero: a server needs none of them, and they would show
 * what this host is. `nonce`: 64 random bits for the transmit timestamp, which the answer repeats.
 */
export function encodeNtpRequest(nonce: bigint): Uint8Array {
  const packet = new Uint8Array(NTP_PACKET_BYTES);
  packet[0] = CLIENT_REQUEST;
  new DataView(packet.buffer).setBigUint64(TRANSMIT_AT, nonce);
  return packet;
}

/** The answer to the request with `nonce`. Undefined: the datagram is none. */
export function decodeNtpAnswer(bytes: Uint8Array, nonce: bigint): NtpAnswer | undefined {
  if (bytes.byteLength < NTP_PACKET_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const first = view.getUint8(0);
  if ((first & 7) !== MODE_SERVER || !VERSIONS.includes((first >> 3) & 7)) return undefined;
  // A server copies the request's transmit timestamp to the origin of its answer.
  if (view.getBigUint64(ORIGIN_AT) !== nonce) return undefined;
  const stratum = view.getUint8(STRATUM_AT);
  const rootDelayUs = shortUs(view.getUint32(ROOT_DELAY_AT));
  const rootDispersionUs = shortUs(view.getUint32(ROOT_DISPERSION_AT));
  const sentAt = view.getBigUint64(TRANSMIT_AT);
  const isSynchronised =
    first >> 6 !== LEAP_UNSYNCHRONISED &&
    stratum >= 1 &&
    stratum <= STRATUM_MAX &&
    sentAt !== 0n &&
    rootDelayUs / 2 + rootDispersionUs < ROOT_DISTANCE_MAX_US;
  return {
    stratum,
    rootDelayUs,
    rootDispersionUs,
    receivedAt: view.getBigUint64(RECEIVE_AT),
    sentAt,
    isSynchronised,
    kiss: stratum === 0 ? kissOf(bytes) : undefined,
    pollExponent: view.getInt8(POLL_AT),
  };
}

function shortUs(units: number): number {
  return Math.round((units / SHORT_UNITS_PER_S) * US_PER_S);
}

/** The reference id of stratum 0: four ASCII characters, left justified. Empty where they are not printable. */
function kissOf(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.subarray(REFERENCE_ID_AT, REFERENCE_ID_AT + REFERENCE_ID_BYTES)).toString("latin1");
  return /^[A-Z0-9]{1,4}\0*$/i.test(text) ? text.replaceAll("\0", "") : "";
}
