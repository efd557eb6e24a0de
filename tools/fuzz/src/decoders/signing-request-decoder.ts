/** Certificate requests: DER changed and, one time in four, signed again, so that the change is reached. */
import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { pick, type Random } from "@lifeline/harness";
import { keySha256, readSigningRequest, SIGNING_REQUEST_MAX_BYTES } from "@lifeline/identity";
import { drawBytes, mutateBytes } from "../byte-mutation.ts";
import { type Decoder, law, lawSame } from "../decoder.ts";
import { type DerValue, mutateDer, readDer, writeDer } from "../der.ts";
import { byteGrowth } from "../growth.ts";
import { REQUESTS } from "./signing-request-samples.ts";

/**
 * An Ed25519 key of a fixed secret (RFC 8410 §7): its signatures are the same each time, so an input can be drawn
 * again.
 */
const KEY = createPrivateKey({
  key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.alloc(32, 7)]),
  format: "der",
  type: "pkcs8",
});
const SPKI = createPublicKey(KEY).export({ format: "der", type: "spki" });

const leaf = (tag: number, content: string | Uint8Array): DerValue => {
  return { tag, content: typeof content === "string" ? Buffer.from(content, "hex") : content };
};
const sequence = (...content: readonly DerValue[]): DerValue => ({ tag: 0x30, content });
/** AlgorithmIdentifier of Ed25519 (RFC 8410 §3). */
const ED25519 = sequence(leaf(0x06, "2b6570"));

/**
 * Bytes at the end of every key that are of the key itself: all of Ed25519's (RFC 8032 §5.1.5), and fewer than of any
 * other.
 */
const KEY_BYTES = 32;

/** One attribute of a name: its type's OID, and UTF-8. */
function attribute(oid: string, text: string): DerValue {
  return { tag: 0x31, content: [sequence(leaf(0x06, oid), leaf(0x0c, Buffer.from(text)))] };
}

const CN = "550403";
const O = "55040a";
const NAMES = [
  sequence(attribute(CN, "worker-1")),
  sequence(attribute(O, "lifeline:admin"), attribute(CN, "worker-1")),
  sequence(attribute(CN, "a"), attribute(CN, "b")),
  sequence(attribute(CN, "#3003020101")),
  sequence(attribute(CN, "x".repeat(300))),
  sequence(attribute(CN, "a\0b,CN=c")),
  sequence(),
];

/** CertificationRequestInfo (RFC 2986 §4.1). */
function infoOf(name: DerValue): DerValue {
  const [spki] = readDer(SPKI) ?? [];
  law(spki !== undefined, "a key is DER");
  return sequence(leaf(0x02, "00"), name, spki, { tag: 0xa0, content: [] });
}

function signed(info: DerValue): Uint8Array {
  const signature = sign(null, writeDer(info), KEY);
  return writeDer(sequence(info, ED25519, leaf(0x03, Buffer.concat([Uint8Array.of(0), signature]))));
}

const SAMPLES = [
  ...REQUESTS.map((text) => Uint8Array.from(Buffer.from(text, "base64"))),
  ...NAMES.map(infoOf).map(signed),
];
const TREES = SAMPLES.flatMap((sample) => readDer(sample) ?? []);

function drawRequest(random: Random): Uint8Array {
  const way = random();
  if (way < 0.1) return drawBytes(random, SIGNING_REQUEST_MAX_BYTES + 64);
  if (way < 0.45) return mutateBytes(random, pick(random, SAMPLES));
  if (way < 0.72) return writeDer(mutateDer(random, pick(random, TREES), pick(random, TREES)));
  if (way < 0.75) return pick(random, SAMPLES);
  return signed(mutateDer(random, infoOf(pick(random, NAMES)), pick(random, TREES)));
}

/** readSigningRequest. */
export const signingRequestDecoder: Decoder = {
  name: "signing-request",
  growth: byteGrowth(drawRequest, 2 * SIGNING_REQUEST_MAX_BYTES, readSigningRequest),
  draw: drawRequest,
  async check(input) {
    const request = await readSigningRequest(input);
    if (request.kind === "malformed") {
      law(request.detail.length <= 200, "a refusal is a line");
      return "refused";
    }
    law(input.length <= SIGNING_REQUEST_MAX_BYTES, "a request is within its size");
    law(request.nodeId.length <= input.length, "a name is no longer than what says it");
    // The tags around it may be others than it is given with: the reader is more lenient than DER.
    law(Buffer.from(input).includes(request.publicKeyDer.subarray(-KEY_BYTES)), "the key is the one in the request");
    lawSame("a key is named by its digest", request.keySha256, keySha256(request.publicKeyDer));
    const key = createPublicKey({ key: request.publicKeyDer, format: "der", type: "spki" });
    law(["ed25519", "ec", "rsa"].includes(key.asymmetricKeyType ?? ""), "the key is of a kind that is taken");
    return "decoded";
  },
};
