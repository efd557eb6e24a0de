/** Answers of a name server. */
import { literalFamily } from "@lifeline/catalogue";
import { between, pick, type Random } from "@lifeline/harness";
import { decodeAnswer, encodeQuery } from "@lifeline/probe";
import { drawBytes, joined, mutateBytes } from "../byte-mutation.ts";
import { type Decoder, law } from "../decoder.ts";
import { byteGrowth } from "../growth.ts";

const ID = 7;
const NAME = "omni.example";
const QUERY = encodeQuery(ID, NAME, "A") ?? new Uint8Array();
const QUERY6 = encodeQuery(ID, NAME, "AAAA") ?? new Uint8Array();

/** Names as records give them: a pointer to the question, to itself, past the end; labels; one that never ends. */
const NAMES = ["c00c", "c01e", "ffff", "00", "0161c00c", "c0", "3f", "40", "80", "01".repeat(300)].map((hex) =>
  Buffer.from(hex, "hex"),
);

function drawRecord(random: Random): Uint8Array {
  const fixed = Buffer.alloc(10);
  const bytes = pick(random, [4, 4, 4, 16, 16, 0, 3, 300]);
  fixed.writeUInt16BE(pick(random, [1, 1, 1, 28, 28, 5, 41]), 0);
  fixed.writeUInt16BE(pick(random, [1, 1, 1, 3]), 2);
  fixed.writeUInt32BE(pick(random, [0, 60, 0xffff_ffff]), 4);
  fixed.writeUInt16BE(random() < 0.9 ? bytes : pick(random, [0, 0xffff]), 8);
  return joined(random() < 0.7 ? (NAMES[0] ?? fixed) : pick(random, NAMES), fixed, new Uint8Array(bytes).fill(9));
}

function drawAnswer(random: Random): Uint8Array {
  const query = random() < 0.7 ? QUERY : QUERY6;
  const records = Array.from({ length: between(random, 0, random() < 0.05 ? 80 : 4) }, () => drawRecord(random));
  const answer = Buffer.from(joined(query, ...records));
  answer.writeUInt16BE(0x8000 | pick(random, [0x180, 0x380, 0x183, 0x185, 0x0f]), 2);
  answer.writeUInt16BE(random() < 0.9 ? records.length : pick(random, [0, 1, 0xffff]), 6);
  return answer;
}

/** Largest message over TCP, bytes (RFC 1035 §4.2.2). */
const MESSAGE_BYTES = 65_535;

/** decodeAnswer. */
export const dnsDecoder: Decoder = {
  name: "dns",
  growth: byteGrowth(drawAnswer, MESSAGE_BYTES, (input) => decodeAnswer(input, QUERY)),
  draw(random) {
    if (random() < 0.15) return drawBytes(random, 1_500);
    const answer = drawAnswer(random);
    return random() < 0.4 ? answer : mutateBytes(random, answer);
  },
  check(input) {
    const answers = [decodeAnswer(input, QUERY), decodeAnswer(input, QUERY6)] as const;
    for (const [at, answer] of answers.entries()) {
      if (answer.kind !== "answer") continue;
      law(answer.rcode >= 0 && answer.rcode <= 15, "an rcode has four bits");
      law(answer.addresses.length <= 64, "at most 64 records are looked at");
      for (const address of answer.addresses) law(literalFamily(address) === [4, 6][at], "an address is one");
    }
    return answers.some(({ kind }) => kind === "answer") ? "decoded" : "refused";
  },
};
