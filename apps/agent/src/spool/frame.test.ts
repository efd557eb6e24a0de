import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeFrame, encodeFrame, FRAME_MAGIC, scanFrames } from "./frame.ts";

const bootId = fc.uint8Array({ minLength: 16, maxLength: 16 });
const payload = fc.uint8Array({ maxLength: 200 });
const sequence = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });

describe("a frame", () => {
  it("reads back as it was written", () => {
    fc.assert(
      fc.property(bootId, sequence, payload, fc.boolean(), (boot, number, bytes, isDeflated) => {
        const frame = decodeFrame(encodeFrame(boot, number, bytes, isDeflated), 0);
        expect(frame?.isDeflated).toBe(isDeflated);
        expect(frame?.bootId).toEqual(Uint8Array.from(boot));
        expect(frame?.sequence).toBe(number);
        expect(Uint8Array.from(frame?.payload ?? [])).toEqual(Uint8Array.from(bytes));
      }),
    );
  });

  it("is decoded from any bytes without throwing; what is decoded encodes to the same bytes", () => {
    const pieces = fc.oneof(
      fc.uint8Array({ maxLength: 50 }),
      fc.constant(FRAME_MAGIC),
      fc
        .tuple(bootId, sequence, payload, fc.boolean())
        .map(([boot, number, bytes, isDeflated]) => encodeFrame(boot, number, bytes, isDeflated)),
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), (parts) => {
        const bytes = Buffer.concat(parts);
        for (const { offset, frame } of scanFrames(bytes).found) {
          const again = encodeFrame(frame.bootId, frame.sequence, frame.payload, frame.isDeflated);
          expect(again).toEqual(bytes.subarray(offset, offset + frame.frameBytes));
        }
      }),
    );
  });

  it("has a sequence of at most 53 bits; any other is not a frame", () => {
    const bytes = encodeFrame(new Uint8Array(16), 1, Buffer.from("x"));
    for (const wrong of [0n, 2n ** 53n, 2n ** 64n - 1n]) {
      bytes.writeBigUInt64LE(wrong, 28);
      bytes.writeUInt32LE(crc32(bytes.subarray(8)), 4);
      expect(decodeFrame(bytes)).toBeUndefined();
    }
  });

  it("is not decoded after a change of one byte", () => {
    fc.assert(
      fc.property(payload, fc.nat(), fc.integer({ min: 1, max: 255 }), (bytes, at, flip) => {
        const frame = encodeFrame(new Uint8Array(16), 7, bytes);
        const place = at % frame.length;
        frame[place] = (frame[place] ?? 0) ^ flip;
        expect(decodeFrame(frame, 0)).toBeUndefined();
      }),
    );
  });
});

describe("a scan", () => {
  const frames = [1, 2, 3].map((number) => encodeFrame(new Uint8Array(16), number, Buffer.from(`report ${number}`)));
  const [first = Buffer.alloc(0), second = Buffer.alloc(0), third = Buffer.alloc(0)] = frames;
  const sequences = (bytes: Buffer) => scanFrames(bytes).found.map(({ frame }) => frame.sequence);

  it("finds every whole frame, and not a torn tail", () => {
    const all = Buffer.concat(frames);
    for (let bytes = 0; bytes <= all.length; bytes++) {
      const whole =
        bytes === all.length ? 3 : bytes >= first.length + second.length ? 2 : bytes >= first.length ? 1 : 0;
      const scan = scanFrames(all.subarray(0, bytes));
      expect(scan.found).toHaveLength(whole);
      expect(scan.corruptFrames).toBe(0);
      expect(scan.goodBytes).toBe(frames.slice(0, whole).reduce((sum, frame) => sum + frame.length, 0));
    }
  });

  it("skips a damaged frame and counts it", () => {
    const damaged = Buffer.from(second);
    damaged[40] = 0xff;
    expect(sequences(Buffer.concat([first, damaged, third]))).toEqual([1, 3]);
    expect(scanFrames(Buffer.concat([first, damaged, third])).corruptFrames).toBe(1);
  });

  it("is not confused by a magic inside a payload", () => {
    const nested = encodeFrame(new Uint8Array(16), 9, Buffer.concat([Buffer.from("LLS1"), Buffer.alloc(60, 0xff)]));
    expect(sequences(Buffer.concat([nested, third]))).toEqual([9, 3]);
  });

  it("gives up on false heads, whose checksums would take minutes (S2)", () => {
    const head = Buffer.alloc(12);
    FRAME_MAGIC.copy(head);
    head.writeUInt32LE(1024 * 1024, 8);
    const bytes = Buffer.concat([first, Buffer.alloc(4 * 1024 * 1024, head)]);
    expect(scanFrames(bytes)).toMatchObject({ found: [{ offset: 0 }], corruptFrames: 1, goodBytes: first.length });
  });

  it("gives up after the most frames that a segment has (S2)", () => {
    const empty = encodeFrame(new Uint8Array(16), 1, new Uint8Array());
    const bytes = Buffer.concat(new Array<Buffer>(50_000).fill(empty));
    const { found, goodBytes } = scanFrames(bytes);
    expect(found).toHaveLength(2_048);
    expect(goodBytes).toBe(2_048 * empty.length);
  });
});
