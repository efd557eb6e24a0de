import { randomFrom } from "@lifeline/harness";
import { MAX_MESSAGE_BYTES, readMessage, reportPb } from "@lifeline/wire";
import { describe, expect, it } from "vitest";
import { byteGrowth, excessOf, grownAt, NO_COSTS, withCost } from "./growth.ts";
import { messageGrowth } from "./message-growth.ts";

describe("inputs out of proportion", () => {
  it("are the first 40, and one in 1,000 of the others, each a number higher", () => {
    const indexes = Array.from({ length: 10_000 }, (_, index) => index).filter((index) => grownAt(index) !== undefined);
    expect(indexes).toEqual([
      ...Array.from({ length: 40 }, (_, at) => at),
      ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((at) => at * 1_000),
    ]);
    const places = indexes.map(grownAt);
    expect(new Set(places).size).toBe(places.length);
    expect(places[39]).toBe(39);
  });

  it("have each list of a message in turn as often as it fits, two million times where it is empty", () => {
    const growth = messageGrowth(reportPb.ReportSchema, [], () => undefined);
    const refused = Array.from({ length: 21 }, (_, at) => {
      const read = readMessage(reportPb.ReportSchema, growth.draw(randomFrom(1), at));
      return read.ok ? "read" : read.malformed.field;
    });
    expect(refused.slice(0, 5)).toEqual([
      "target_ids",
      "windows",
      "self_metrics",
      "windows[0].reasons",
      "windows[0].reason_counts",
    ]);
    expect(refused).toContain("windows[0].last.evidence.chain");
    const windows = growth.draw(randomFrom(1), 1);
    expect(windows.length).toBeGreaterThan(4_000_000);
    expect(Buffer.from(windows).equals(Buffer.alloc(windows.length, Uint8Array.of(0x1a, 0)))).toBe(true);
  });

  it("are no larger than a message may be, drawn as often as one likes; some are within every bound", () => {
    const growth = messageGrowth(reportPb.StreamResponseSchema, [], () => undefined);
    const random = randomFrom(3);
    let read = 0;
    for (let at = 0; at < 100; at += 1) {
      const message = growth.draw(random, at);
      expect(message.length).toBeLessThanOrEqual(MAX_MESSAGE_BYTES);
      if (readMessage(reportPb.StreamResponseSchema, message).ok) read += 1;
    }
    expect(read).toBeGreaterThan(5);
  });

  it("of bytes repeat a piece", () => {
    const growth = byteGrowth(
      () => Uint8Array.of(1, 2, 3),
      1_000,
      () => undefined,
    );
    const input = growth.draw(randomFrom(1), 0);
    expect(input.length).toBeGreaterThan(900);
    expect(input.length).toBeLessThanOrEqual(1_003);
    expect(
      byteGrowth(
        () => new Uint8Array(),
        1_000,
        () => undefined,
      ).draw(randomFrom(1), 0),
    ).toHaveLength(1_000);
  });
});

describe("costs", () => {
  const cost = { inputBytes: 1_000_000, heapBytes: 80_000_000, cpuNs: 2_000_000_000 };

  it("are the highest costs, and the highest per byte, without the small inputs", () => {
    const costs = [cost, { inputBytes: 10, heapBytes: 5_000, cpuNs: 5_000 }, { ...cost, inputBytes: 2_000_000 }];
    expect(costs.reduce(withCost, NO_COSTS)).toEqual({
      inputs: 3,
      inputBytesMost: 2_000_000,
      heapBytesMost: 80_000_000,
      heapBytesPerByte: 80,
      cpuNsPerByte: 2_000,
    });
  });

  it.each([
    ["heap", { ...cost, heapBytes: 70_000_000 }, undefined],
    ["heap", cost, "costly-heap"],
    ["heap of a larger input", { ...cost, inputBytes: 4_000_000 }, undefined],
    ["time", { ...cost, heapBytes: 0, cpuNs: 2_300_000_000 }, "costly-time"],
    ["time of a larger input", { ...cost, inputBytes: 4_000_000, cpuNs: 2_300_000_000 }, undefined],
  ])("are bounded by the input's size: %s", (_, each, kind) => {
    expect(excessOf(each)?.kind).toBe(kind);
  });
});
