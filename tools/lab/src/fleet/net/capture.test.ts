import { describe, expect, it } from "vitest";
import { readPackets } from "./capture.ts";

function file(linkType: number, ...records: readonly (readonly [number, number, Buffer])[]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b23c4d, 0);
  header.writeUInt32LE(linkType, 20);
  const parts = records.map(([seconds, ns, bytes]) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(seconds, 0);
    record.writeUInt32LE(ns, 4);
    record.writeUInt32LE(bytes.length, 8);
    return Buffer.concat([record, bytes]);
  });
  return Buffer.concat([header, ...parts]);
}

const packet = Buffer.from([0x45, 1, 2, 3]);

describe("tcpdump's output", () => {
  it.each([
    ["an Ethernet frame", 1, Buffer.concat([Buffer.alloc(14), packet])],
    ["a raw packet", 101, packet],
  ])("%s begins with its IP header", (_, linkType, bytes) => {
    expect(readPackets(file(linkType, [2, 3, bytes]))).toEqual([{ atNs: 2_000_000_003n, bytes: packet }]);
  });

  it.each([
    ["no file", Buffer.alloc(3), "capture: 3 bytes; a file header has 24"],
    ["other stamps", Buffer.alloc(24), "capture: first word: expected little-endian nanosecond stamps"],
    ["another link", file(9), "capture: link type 9; expected 1 or 101"],
    ["half a packet", file(101, [0, 0, packet]).subarray(0, 42), "capture: byte 40: the packet is cut short"],
    ["half a header", file(101, [0, 0, packet]).subarray(0, 30), "capture: byte 24: the record header is cut short"],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => readPackets(bytes)).toThrow(expect.objectContaining({ code: "malformed-capture", message }));
  });
});
