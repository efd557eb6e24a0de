export { type ErrorEstimate, OWN_ERROR_ESTIMATE } from "./error-estimate.ts";
export {
  AUTHENTICATED_BYTES,
  type Decoded,
  decodeReflected,
  decodeSender,
  encodeReflected,
  encodeSender,
  type MalformedReason,
  type ReflectedPacket,
  type SenderPacket,
  UNAUTHENTICATED_BYTES,
} from "./packet.ts";
export { padded, paddedLike } from "./padding.ts";
export { reflect, residenceNs, TTL_UNKNOWN } from "./reflect.ts";
export { looksLikeWireGuard, SEQUENCE_COUNT, SEQUENCE_FLOOR, sequenceAt } from "./sequence.ts";
export { addNs, elapsedNs, type NtpTimestamp, ntpFromWallMs } from "./timestamp.ts";
