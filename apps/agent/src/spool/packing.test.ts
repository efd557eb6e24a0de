import { deflateRawSync } from "node:zlib";
import { MAX_REPORT_BYTES } from "@lifeline/wire";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packReport, unpackReport } from "./packing.ts";

describe("packing", () => {
  it("returns every report unchanged, and never makes one larger", () => {
    const alike = fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.nat(50)).map(([part, times]) => {
      return Uint8Array.from(Buffer.concat(Array<Uint8Array>(times).fill(part)));
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), alike), (report) => {
        const packed = packReport(report);
        expect(packed.bytes.length).toBeLessThanOrEqual(report.length);
        expect(Uint8Array.from(unpackReport(packed) ?? [])).toEqual(report);
      }),
    );
  });

  it("deflates repetitive reports", () => {
    const packed = packReport(Buffer.from("registry.k8s.io ".repeat(100)));
    expect(packed.isDeflated).toBe(true);
    expect(packed.bytes.length).toBeLessThan(100);
  });

  it.each([
    ["nothing", Buffer.alloc(0)],
    ["a block type that there is not", Buffer.from([0xff, 0xff])],
    ["a stream that was cut short", deflateRawSync(Buffer.alloc(1_000, "x")).subarray(0, 4)],
    ["more than a report can be (S2)", deflateRawSync(Buffer.alloc(MAX_REPORT_BYTES + 1))],
  ])("does not unpack %s", (_, bytes) => {
    expect(unpackReport({ bytes, isDeflated: true })).toBeUndefined();
  });
});
