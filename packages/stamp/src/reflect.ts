/**
 * The reply of a Session-Reflector (RFC 8762 §4.3): a function of the request, two readings of a clock and, if
 * stateful, a count.
 */
import { OWN_ERROR_ESTIMATE } from "./error-estimate.ts";
import type { ReflectedPacket, SenderPacket } from "./packet.ts";
import { elapsedNs, type NtpTimestamp } from "./timestamp.ts";

/** TTL to report when that of the request cannot be read (RFC 5357 §4.2.1). */
export const TTL_UNKNOWN = 255;

/**
 * The reply to `request`, which was received at T2 (`receivedAt`) and is sent back at T3 (`sentAt`). `ttl` is that of
 * the request, 0–255. `sequence` is the reflector's own number; by default the sender's, as a stateless reflector has
 * it.
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

/**
 * Time that the request spent in the reflector, ns: T3 − T2. Negative when the reflector's clock was stepped meanwhile.
 */
export function residenceNs(reply: ReflectedPacket): number {
  return elapsedNs(reply.receivedAt, reply.sentAt);
}
