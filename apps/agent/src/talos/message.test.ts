import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesAt, encodeTexts, fieldOf, fieldsOf, MalformedMessage } from "./message.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);

describe("the fields of a message", () => {
  it("reads numbers and bytes, and skips fixed-width fields", () => {
    // 1: 300, 2: "hi", 3: fixed64, 4: fixed32, 5: 1
    const message = bytes(
      0x08,
      0xac,
      0x02,
      0x12,
      2,
      0x68,
      0x69,
      0x19,
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
      0x25,
      1,
      2,
      3,
      4,
      0x28,
      1,
    );
    expect([...fieldsOf(message)]).toEqual([
      { number: 1, value: 300n },
      { number: 2, value: bytes(0x68, 0x69) },
      { number: 5, value: 1n },
    ]);
    expect(fieldOf(message, 3)).toBeUndefined();
  });

  it("takes the last of a repeated field, and follows a path", () => {
    expect(fieldOf(bytes(0x08, 1, 0x08, 2), 1)).toBe(2n);
    expect(bytesAt(bytes(0x0a, 4, 0x12, 2, 0x0a, 0), 1, 2)).toEqual(bytes(0x0a, 0));
    expect(bytesAt(bytes(0x08, 1), 1, 2)).toBeUndefined();
  });

  it.each([
    ["a varint without an end", bytes(0x80)],
    ["a varint of eleven bytes", bytes(0x08, ...new Array(11).fill(0x80), 1)],
    ["more bytes than there are", bytes(0x0a, 9, 1)],
    ["a group", bytes(0x0b)],
  ])("refuses %s", (_, message) => {
    expect(() => [...fieldsOf(message)]).toThrow(MalformedMessage);
  });

  it("reads back every text, and throws only MalformedMessage for other bytes", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 30 }), { maxLength: 8 }), (texts) => {
        const read = [...fieldsOf(encodeTexts(texts))];
        expect(read.map(({ value }) => Buffer.from(value as Uint8Array).toString())).toEqual(texts);
        expect(read.map(({ number }) => number)).toEqual(texts.map((_, at) => at + 1));
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (any) => {
        try {
          expect([...fieldsOf(any)].length).toBeLessThanOrEqual(32);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedMessage);
        }
      }),
    );
  });
});
