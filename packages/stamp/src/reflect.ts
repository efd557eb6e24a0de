/** The Session-Reflector (RFC 8762 §4.3): a reply is a function of the request, of two readings of a clock and, if stateful, a count. */
import { OWN_ERROR_ESTIMATE } from "./error-estimate.ts";
import type { ReflectedPacket, SenderPacket } from "./packet.ts";
import { elapsedNs, type NtpTimestamp } from "./timestamp.ts";

/** TTL reported when the one that arrived cannot be read (RFC 5357 §4.2.1). */
export const TTL_UNKNOWN = 255;

/**
 * The reply to `request`, received at T2 and sent back at T3; `ttl` is what it arrived with, 0–255;
 * `sequence` is a stateful reflector's own number, by default the sender's, as of a stateless one.
 */
export function reflect(
  request: SenderPacket,
  receivedAt: NtpTimestamp,
  sentAt: NtpTimestamp,
  ttl: number = TTL_UNKNOWN,
  sequence: number = request.sequence,
): ReflectedPacket {
  return {
    sequence,
    sentAt,
    errorEstimate: OWN_ERROR_ESTIMATE,
    receivedAt,
    sender: request,
    senderTtl: ttl,
  };
}

/** Nanoseconds the request stayed in the reflector: T3 − T2. Negative when the reflector's clock was stepped between. */
export function residenceNs(reply: ReflectedPacket): number {
  return elapsedNs(reply.receivedAt, reply.sentAt);
}
