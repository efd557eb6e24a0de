/** Decoders of the agent's spool: one frame, and a segment with its acknowledgements. */
import { crc32, deflateRawSync, constants as zlib } from "node:zlib";
import {
  ACK_BYTES,
  decodeAcks,
  decodeFrame,
  encodeAck,
  encodeFrame,
  type Frame,
  scanFrames,
  unpackReport,
} from "@lifeline/agent";
import { between, pick, type Random } from "@lifeline/harness";
import { MAX_REPORT_BYTES } from "@lifeline/wire";
import { drawBytes, joined, mutateBytes } from "../byte-mutation.ts";
import { type Decoder, law, lawSame } from "../decoder.ts";
import { times } from "../growth.ts";

const PAYLOADS = ["", "r", "LLS1", "a report", "LLS1".repeat(9), "x".repeat(500)].map((text) => Buffer.from(text));
const SEQUENCES = [0n, 1n, 2n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n] as const;

/** Where a frame's checksum, its length and its number stand (frame.ts). */
const CRC_AT = 4;
const LENGTH_AT = 8;
const SEQUENCE_AT = 28;

/** A frame with a correct checksum and any content. */
function drawFrame(random: Random): Buffer {
  const bootId = new Uint8Array(16).fill(between(random, 0, 255));
  const frame = encodeFrame(bootId, between(random, 1, 1_000), pick(random, PAYLOADS), random() < 0.3);
  if (random() < 0.3) frame.writeBigUInt64LE(pick(random, SEQUENCES), SEQUENCE_AT);
  if (random() < 0.1) frame.writeUInt32LE(pick(random, [0, 1, frame.length, 2 ** 22, 2 ** 32 - 1]), LENGTH_AT);
  frame.writeUInt32LE(crc32(frame.subarray(LENGTH_AT)), CRC_AT);
  return frame;
}

/** A mebibyte of zeros without an end, which may come any number of times, and what ends them. */
const ZEROS = deflateRawSync(Buffer.alloc(1024 * 1024), { finishFlush: zlib.Z_FULL_FLUSH });
const END = deflateRawSync(Buffer.alloc(0));

/** A frame that decompresses to this many mebibytes. */
function bomb(mebibytes: number, sequence = 1): Buffer {
  return encodeFrame(new Uint8Array(16), sequence, joined(times(ZEROS, mebibytes), END), true);
}

/** The report of a frame, if it is one. */
function unpacked(frame: Frame | undefined): Uint8Array | undefined {
  return frame && unpackReport({ bytes: frame.payload, isDeflated: frame.isDeflated });
}

function holdFrame(bytes: Uint8Array, at: number, frame: Frame): void {
  law(Number.isSafeInteger(frame.sequence) && frame.sequence >= 1, "a sequence is a positive integer");
  law(frame.payload.length <= MAX_REPORT_BYTES, "a payload is no longer than a report");
  const report = unpacked(frame);
  law(report === undefined || report.length <= MAX_REPORT_BYTES, "what is unpacked is no longer than a report");
  law(at + frame.frameBytes <= bytes.length, "a frame lies within its bytes");
  const again = encodeFrame(frame.bootId, frame.sequence, frame.payload, frame.isDeflated);
  law(again.equals(bytes.subarray(at, at + frame.frameBytes)), "encode∘decode = id");
}

/** The last is a gigabyte. */
const MEBIBYTES = [3, 4, 5, 64, 1_024] as const;

/** decodeFrame. */
export const frameDecoder: Decoder = {
  name: "frame",
  draw(random) {
    if (random() < 0.15) return drawBytes(random, 4_096);
    const frame = drawFrame(random);
    return random() < 0.5 ? frame : mutateBytes(random, frame);
  },
  growth: {
    draw: (random, at) => (at % 2 === 0 ? bomb(pick(random, MEBIBYTES)) : mutateBytes(random, bomb(4))),
    decode: (input) => unpacked(decodeFrame(Buffer.from(input))),
  },
  check(input) {
    const frame = decodeFrame(Buffer.from(input));
    if (frame === undefined) return "refused";
    holdFrame(input, 0, frame);
    return "decoded";
  },
};

/** The segment whose acknowledgements are read. */
const SEGMENT = 7;

function drawSegment(random: Random): Uint8Array {
  const pieces = Array.from({ length: between(random, 0, 6) }, () => {
    const way = random();
    if (way < 0.6) return drawFrame(random);
    if (way < 0.7) return encodeAck(pick(random, [SEGMENT, SEGMENT + 1]), between(random, 0, 1_000));
    return way < 0.9 ? mutateBytes(random, drawFrame(random)) : drawBytes(random, 2_048);
  });
  const segment = joined(...pieces);
  return random() < 0.5 ? segment : mutateBytes(random, segment);
}

/** Bytes that are read of a file of acknowledgements (acks.ts). */
const ACKS_BYTES = 16_384;

const acksOf = (input: Uint8Array) => decodeAcks(SEGMENT, Buffer.from(input.subarray(0, ACKS_BYTES)));

/** Largest segment, bytes, with a first report of any size. */
const SEGMENT_BYTES = MAX_REPORT_BYTES;

/** Many frames, heads that claim what others claim, bombs, acknowledgements, magics: each fills a segment. */
function growSegment(random: Random, at: number): Uint8Array {
  const head = Buffer.from(drawFrame(random).subarray(0, pick(random, [12, 36])));
  head.writeUInt32LE(between(random, 0, SEGMENT_BYTES), LENGTH_AT);
  const pieces = [
    encodeFrame(new Uint8Array(16), 1, new Uint8Array()),
    head,
    joined(...[1, 2, 3].map((sequence) => bomb(pick(random, MEBIBYTES), sequence))),
    encodeAck(SEGMENT, 36),
    Buffer.from("LLS1"),
    drawFrame(random),
  ];
  const piece = pieces[at % pieces.length] ?? head;
  const segment = piece === pieces[2] ? piece : times(piece, Math.floor(SEGMENT_BYTES / piece.length));
  return random() < 0.5 ? segment : mutateBytes(random, segment);
}

/** scanFrames and decodeAcks, each of the same bytes: a disk may give either for the other. */
export const segmentDecoder: Decoder = {
  name: "segment",
  draw: drawSegment,
  growth: {
    draw: growSegment,
    decode(input) {
      const { found } = scanFrames(Buffer.from(input));
      return [found, acksOf(input), ...found.slice(0, 3).map(({ frame }) => unpacked(frame))];
    },
  },
  check(input) {
    const bytes = Buffer.from(input);
    const { found, corruptFrames, goodBytes } = scanFrames(bytes);
    let end = 0;
    for (const { offset, frame } of found) {
      law(offset >= end, "frames do not overlap");
      holdFrame(bytes, offset, frame);
      end = offset + frame.frameBytes;
    }
    law(goodBytes === end, "what is good ends with the last good frame");
    law(corruptFrames <= found.length + 1, "one damaged span before each good frame, and one after the last");
    const whole = Buffer.concat(found.map(({ offset, frame }) => bytes.subarray(offset, offset + frame.frameBytes)));
    const again = scanFrames(whole);
    law(again.corruptFrames === 0 && again.goodBytes === whole.length, "good frames alone are all good");
    law(again.found.length === found.length, "and are as many");
    const acks = acksOf(input);
    law(acks.size <= bytes.length / ACK_BYTES, "an acknowledgement takes its bytes");
    const acksAgain = decodeAcks(SEGMENT, Buffer.concat([...acks].map((offset) => encodeAck(SEGMENT, offset))));
    lawSame("decode∘encode = id", acksAgain, acks);
    return found.length + acks.size > 0 ? "decoded" : "refused";
  },
};
