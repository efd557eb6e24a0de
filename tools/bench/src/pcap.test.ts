import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BenchError } from "./bench-error.ts";
import { CAPTURE_MAX_BYTES, readPcap } from "./pcap.ts";
import { pcapFile } from "./testing/capture-file.ts";

const at = (seconds: number, ns: number) => BigInt(seconds) * 1_000_000_000n + BigInt(ns);
const whole = pcapFile([{ atNs: at(1_795_416_705, 999_999_999), bytes: Buffer.from([0x45, 1, 2, 3]) }]);

const messageOf = (file: Buffer) => {
  try {
    readPcap(file);
  } catch (error) {
    if (error instanceof BenchError && error.code === "malformed-capture") return error.message;
    throw error;
  }
  return "read";
};

describe("a capture file", () => {
  it.each([true, false])("is read to the nanosecond, little-endian: %s", (little) => {
    const packets = [
      { atNs: at(1_795_416_705, 1), bytes: Buffer.from([0x45]) },
      { atNs: at(1_795_416_706, 999_999_999), bytes: Buffer.alloc(120, 7) },
    ];
    expect(readPcap(pcapFile(packets, { little }))).toEqual(packets);
  });

  it("of no packets is empty", () => {
    expect(readPcap(pcapFile([]))).toEqual([]);
  });

  it.each([
    ["no bytes", Buffer.alloc(0), "capture: 0 bytes; a file header has 24"],
    ["half a header", whole.subarray(0, 23), "capture: 23 bytes; a file header has 24"],
    ["another format", Buffer.alloc(24, 0x0a), "capture: first word 0x0a0a0a0a; expected a pcap file"],
    ["microseconds", pcapFile([], { magic: 0xa1b2c3d4 }), "capture: microsecond stamps; expected nanoseconds"],
    ["Ethernet", pcapFile([], { linktype: 1 }), "capture: link type 1; expected 101 (raw IP)"],
    ["no snapshot length", pcapFile([], { snaplenBytes: 0 }), "capture: snapshot length 0; expected 1 to 262144"],
    [
      "a snapshot length beyond tcpdump's",
      pcapFile([], { snaplenBytes: 262_145 }),
      "capture: snapshot length 262145; expected 1 to 262144",
    ],
    ["a record header cut short", whole.subarray(0, 39), "capture: byte 24: the record header is cut short"],
    ["a packet cut short", whole.subarray(0, 43), "capture: byte 40: the record's packet is cut short"],
    [
      "a record beyond the snapshot length",
      pcapFile([{ atNs: 0n, bytes: Buffer.alloc(9) }], { snaplenBytes: 8 }),
      "capture: byte 24: a record of 9 bytes; expected at most 8",
    ],
    [
      "more nanoseconds than a second has",
      Buffer.concat([whole.subarray(0, 28), Buffer.from([0, 0xca, 0x9a, 0x3b]), whole.subarray(32)]),
      "capture: byte 24: 1000000000 ns of a second",
    ],
    [
      "a file beyond the bound",
      Buffer.alloc(CAPTURE_MAX_BYTES + 1),
      `capture: ${CAPTURE_MAX_BYTES + 1} bytes; expected at most ${CAPTURE_MAX_BYTES}`,
    ],
  ])("with %s is refused", (_, file, message) => {
    expect(messageOf(file)).toBe(message);
  });

  it("of any bytes is read or refused, never anything else", () => {
    const header = pcapFile([]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, withHeader) => {
        messageOf(withHeader ? Buffer.concat([header, bytes]) : Buffer.from(bytes));
      }),
    );
  });
});
