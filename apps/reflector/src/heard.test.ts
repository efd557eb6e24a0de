import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createHeardLedger, REPORTED_SOURCES_MAX, readElements } from "./heard.ts";

const NS = 1e6;
const one = (packets: number) => [{ address: "192.0.2.1", port: 4_711, packets }];

describe("the ledger of who was heard", () => {
  it("never falls, though the kernel forgets and counts anew", () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }), { maxLength: 40 }),
        (readings) => {
          const ledger = createHeardLedger();
          let before = 0;
          for (const [at, packets] of readings.entries()) {
            ledger.read(packets === undefined ? [] : one(packets), at * NS);
            const now = ledger.report(at * NS).sources[0]?.packets ?? before;
            expect(now).toBeGreaterThanOrEqual(before);
            before = now;
          }
        },
      ),
    );
  });

  it("tells how long ago a count was seen to grow", () => {
    const ledger = createHeardLedger();
    ledger.read(one(5), 0);
    ledger.read(one(5), 2_000 * NS);
    expect(ledger.report(3_000 * NS).sources).toEqual([{ ...one(5)[0], receivedAgoMs: 3_000 }]);
    ledger.read(one(6), 3_000 * NS);
    expect(ledger.report(3_500 * NS).sources[0]?.receivedAgoMs).toBe(500);
    // Timed out in the kernel, and back.
    ledger.read(one(1), 4_000 * NS);
    expect(ledger.report(4_000 * NS).sources[0]).toMatchObject({ packets: 7, receivedAgoMs: 0 });
  });

  it("has room for so many sources, the latest heard first, and counts the others (S2)", () => {
    const ledger = createHeardLedger();
    const many = Array.from({ length: REPORTED_SOURCES_MAX + 3 }, (_, port) => ({
      address: "192.0.2.1",
      port,
      packets: 1,
    }));
    ledger.read(many, 0);
    ledger.read([{ address: "192.0.2.1", port: 7, packets: 2 }], NS);
    const { sources, dropped } = ledger.report(NS);
    expect(sources).toHaveLength(REPORTED_SOURCES_MAX);
    expect(sources[0]).toMatchObject({ port: 7, packets: 2 });
    expect(dropped).toBe(3);
  });
});

describe("what nft prints of a set", () => {
  it("gives the elements with their counters", () => {
    const elem = {
      elem: { val: { concat: ["2001:db8::1", 51_820] }, expires: 3, counter: { packets: 9, bytes: 900 } },
    };
    const json = JSON.stringify({
      nftables: [{ metainfo: {} }, { set: { name: "heard6", elem: [elem, { elem: {} }, "x"] } }],
    });
    expect(readElements(json)).toEqual([{ address: "2001:db8::1", port: 51_820, packets: 9 }]);
  });

  it("gives none of an empty set", () => {
    expect(readElements('{"nftables":[{"metainfo":{}},{"set":{"name":"heard4"}}]}')).toEqual([]);
  });
});
