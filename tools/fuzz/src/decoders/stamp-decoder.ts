/** STAMP: requests, replies, and what a reflector makes of a request. */
import { between, pick, type Random } from "@lifeline/harness";
import {
  AUTHENTICATED_BYTES,
  decodeReflected,
  decodeSender,
  encodeReflected,
  encodeSender,
  ntpFromWallMs,
  OWN_ERROR_ESTIMATE,
  padded,
  paddedLike,
  reflect,
  UNAUTHENTICATED_BYTES,
} from "@lifeline/stamp";
import { drawBytes, mutateBytes } from "../byte-mutation.ts";
import { type Decoder, law, lawSame } from "../decoder.ts";
import { byteGrowth } from "../growth.ts";

const KEY = Buffer.from("a key of sixteen bytes or more");
const SENT_AT = ntpFromWallMs(Date.UTC(2026, 10, 20));

function drawPacket(random: Random): Uint8Array {
  const key = random() < 0.5 ? KEY : undefined;
  const errorEstimate = random() < 0.7 ? OWN_ERROR_ESTIMATE : drawEstimate(random);
  const request = { sequence: pick(random, [0, 1, 0x8000_0000, 0xffff_ffff]), sentAt: SENT_AT, errorEstimate };
  const packet =
    random() < 0.5
      ? encodeSender(request, key)
      : encodeReflected({ ...reflect(request, SENT_AT, SENT_AT, between(random, 0, 255)), errorEstimate }, key);
  return random() < 0.3 ? padded(packet, packet.length + between(random, 0, 1_300)) : packet;
}

function drawEstimate(random: Random) {
  const format = pick(random, ["ntp", "ptp"] as const);
  return { synchronised: random() < 0.5, format, scale: between(random, 0, 63), multiplier: between(random, 1, 255) };
}

function checkBy(input: Uint8Array, key: Uint8Array | undefined): boolean {
  const sender = decodeSender(input, key);
  if (sender.kind === "ok") {
    lawSame("decode∘encode = id, of a request", decodeSender(encodeSender(sender.packet, key), key), sender);
    const reply = encodeReflected(reflect(sender.packet, SENT_AT, SENT_AT), key);
    const leastBytes = key === undefined ? UNAUTHENTICATED_BYTES : AUTHENTICATED_BYTES;
    law(reply.length === leastBytes && reply.length <= input.length, "a reply is no longer than its request");
    law(paddedLike(reply, input).length === input.length, "a padded reply is exactly as long");
    const back = decodeReflected(paddedLike(reply, input), key);
    law(back.kind === "ok", "a reply is read");
    law(decodeSender(paddedLike(reply, input), key).kind === "malformed", "a reply is no request");
    lawSame("a reply holds its request", back.packet.sender, sender.packet);
  }
  const reflected = decodeReflected(input, key);
  // The copied request is not validated: with a multiplier of 0, which no sender may send, it cannot be encoded again.
  if (reflected.kind === "ok" && reflected.packet.sender.errorEstimate.multiplier > 0) {
    lawSame("decode∘encode = id, of a reply", decodeReflected(encodeReflected(reflected.packet, key), key), reflected);
  }
  return sender.kind === "ok" || reflected.kind === "ok";
}

/** Largest datagram, bytes (RFC 768). */
const DATAGRAM_BYTES = 65_535;

/** decodeSender, decodeReflected and reflect, each without a key and with one. */
export const stampDecoder: Decoder = {
  name: "stamp",
  growth: byteGrowth(drawPacket, DATAGRAM_BYTES, (input) => [decodeSender(input, KEY), decodeReflected(input, KEY)]),
  draw(random) {
    if (random() < 0.2) return drawBytes(random, 1_500);
    const packet = drawPacket(random);
    return random() < 0.3 ? packet : mutateBytes(random, packet);
  },
  check: (input) => ([checkBy(input, undefined), checkBy(input, KEY)].includes(true) ? "decoded" : "refused"),
};
