import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { REPORTED_SOURCES_MAX, SourceLedger } from "./source-ledger.ts";

const NS = 1e6;
const one = (packets: number) => [{ address: "192.0.2.1", port: 4_711, packets }];

describe("the ledger of sources", () => {
  it("never lowers a count when the kernel starts to count again", () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }), { maxLength: 40 }),
        (readings) => {
          const ledger = new SourceLedger();
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

  it("reports how long ago a count was seen to grow", () => {
    const ledger = new SourceLedger();
    ledger.read(one(5), 0);
    ledger.read(one(5), 2_000 * NS);
    expect(ledger.report(3_000 * NS).sources).toEqual([{ ...one(5)[0], receivedAgoMs: 3_000 }]);
    ledger.read(one(6), 3_000 * NS);
    expect(ledger.report(3_500 * NS).sources[0]?.receivedAgoMs).toBe(500);
    // The element timed out in the kernel and was added again.
    ledger.read(one(1), 4_000 * NS);
    expect(ledger.report(4_000 * NS).sources[0]).toMatchObject({ packets: 7, receivedAgoMs: 0 });
  });

  it("reports the sources last received from, up to a bound, and counts the others (S2)", () => {
    const ledger = new SourceLedger();
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
