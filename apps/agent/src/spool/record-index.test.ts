import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RecordIndex } from "./record-index.ts";
import type { PlacedRecord } from "./spool-record.ts";

const mine = new Uint8Array(16).fill(1);
const other = new Uint8Array(16).fill(2);
const place = { kind: "memory", packed: { bytes: new Uint8Array(), isDeflated: false }, keptNs: 0 } as const;

/** So many records come, of this start or another; then those at these places among the ones that wait leave. */
const change = fc.record({
  comes: fc.integer({ min: 0, max: 400 }),
  bootId: fc.constantFrom(mine, other),
  leaves: fc.array(fc.nat(), { maxLength: 300 }),
});

/** An index after all the changes, beside a plain list of the records that wait. */
function play(changes: readonly (typeof change extends fc.Arbitrary<infer One> ? One : never)[]) {
  const index = new RecordIndex(mine);
  const list: PlacedRecord[] = [];
  for (const { comes, bootId, leaves } of changes) {
    for (let sequence = 1; sequence <= comes; sequence++) list.push(index.add({ bootId, sequence, place }));
    for (const at of leaves.slice(0, list.length)) {
      for (const gone of list.splice(at % list.length, 1)) expect(index.release(gone)).toBe(true);
    }
  }
  return { index, list };
}

describe("the index of records", () => {
  it("finds the same records as a plain list, after any additions and releases", () => {
    const from = fc.array(fc.integer({ min: -1, max: 5_000 }), { minLength: 20, maxLength: 40 });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), from, (changes, ordinals) => {
        const { index, list } = play(changes);
        for (const ordinal of ordinals) {
          expect(index.nextAfter(ordinal)).toBe(list.find((record) => record.ordinal > ordinal));
        }
        expect([index.size, index.ofThisBoot]).toEqual([list.length, list.filter((e) => e.bootId === mine).length]);
      }),
      { numRuns: 60 },
    );
  });

  it("releases a record once, and gives rising ordinals", () => {
    const index = new RecordIndex(mine);
    const first = index.add({ bootId: mine, sequence: 1, place });
    expect([index.release(first), index.release(first)]).toEqual([true, false]);
    expect(index.add({ bootId: mine, sequence: 2, place }).ordinal).toBe(1);
    expect(index.nextOrdinal).toBe(2);
  });
});
