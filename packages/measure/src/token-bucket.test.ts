import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KeyedTokenBuckets, type RateLimit, TokenBucket } from "./token-bucket.ts";

const NS_PER_S = 1e9;
const limits: fc.Arbitrary<RateLimit> = fc.record({
  capacity: fc.integer({ min: 1, max: 20 }),
  perSecond: fc.double({ min: 0.1, max: 50, noNaN: true }),
});
const pausesNs = fc.array(fc.nat(2 * NS_PER_S), { minLength: 1, maxLength: 100 });
/** In thousandths, because amounts below the precision of a double beside 1 are out of scope here. */
const spendings = fc.integer({ min: 0, max: 30_000 }).map((thousandths) => thousandths / 1_000);
/** Largest rounding error of these sums. */
const ROUNDING = 1e-6;

describe("a token bucket", () => {
  it("gives at most capacity + rate · time in any period", () => {
    fc.assert(
      fc.property(limits, pausesNs, (limit, pauses) => {
        const bucket = new TokenBucket(limit, 0);
        const takenNs: number[] = [];
        let nowNs = 0;
        for (const pauseNs of pauses) {
          nowNs += pauseNs;
          if (bucket.take(nowNs) === 0) takenNs.push(nowNs);
        }
        takenNs.forEach((sinceNs, first) => {
          takenNs.slice(first).forEach((untilNs, more) => {
            const most = limit.capacity + (limit.perSecond * (untilNs - sinceNs)) / NS_PER_S;
            expect(more + 1).toBeLessThanOrEqual(most + ROUNDING);
          });
        });
      }),
    );
  });

  it("never refuses a caller that takes at the rate or slower", () => {
    fc.assert(
      fc.property(limits, fc.integer({ min: 1, max: 100 }), (limit, takes) => {
        const bucket = new TokenBucket(limit, 0);
        const everyNs = Math.ceil(NS_PER_S / limit.perSecond) + 1;
        for (let at = 0; at < takes; at += 1) expect(bucket.take(at * everyNs)).toBe(0);
      }),
    );
  });

  it("returns the time until a token can be taken, and no earlier attempt succeeds", () => {
    fc.assert(
      fc.property(limits, spendings, (limit, spent) => {
        const bucketOf = () => {
          const bucket = new TokenBucket(limit, 0);
          bucket.spend(spent);
          return bucket;
        };
        const waitNs = bucketOf().take(0) * 1e6;
        expect(bucketOf().take(waitNs * 1.000_001 + 1)).toBe(0);
        if (waitNs > 0) expect(bucketOf().take(waitNs * 0.999)).toBeGreaterThan(0);
      }),
    );
  });

  it("returns the time until more than a share is left, in whole ms and not 1 ms too long", () => {
    fc.assert(
      fc.property(limits, spendings, fc.double({ min: 0, max: 0.9, noNaN: true }), (...given) => {
        const [limit, spent, share] = given;
        const bucket = new TokenBucket(limit, 0);
        bucket.spend(spent);
        const above = share * limit.capacity;
        const waitMs = bucket.waitMs(0, above);
        expect(Number.isInteger(waitMs)).toBe(true);
        if (waitMs === 0) {
          expect(bucket.left(0)).toBeGreaterThan(above);
        } else {
          expect(bucket.left((waitMs - 1) * 1e6)).toBeLessThanOrEqual(above + ROUNDING);
          expect(bucket.left(waitMs * 1e6)).toBeGreaterThan(above - ROUNDING);
        }
      }),
    );
  });

  it("never holds more than its capacity, whatever is put back and however long it is idle", () => {
    const bucket = new TokenBucket({ capacity: 3, perSecond: 1 }, 0);
    bucket.spend(-1);
    expect(bucket.left(0)).toBe(3);
    bucket.spend(-1);
    expect(bucket.left(1e15)).toBe(3);
    bucket.take(1e15);
    bucket.spend(-2);
    expect(bucket.left(1e15)).toBe(3);
  });

  it("repays a debt at the given rate before it gives tokens again", () => {
    const bucket = new TokenBucket({ capacity: 2, perSecond: 1 }, 0);
    bucket.spend(12);
    expect(bucket.waitMs(0)).toBe(10_001);
    expect(bucket.waitMs(0, 0, 10)).toBe(1_001);
    expect(bucket.left(0.5 * NS_PER_S, 10)).toBe(-5);
  });
});

describe("buckets by key", () => {
  it("no key takes tokens of another", () => {
    const buckets = new KeyedTokenBuckets({ capacity: 2, perSecond: 1 }, 10);
    expect([buckets.take("a", 0), buckets.take("a", 0), buckets.take("a", 0)]).toEqual([true, true, false]);
    expect(buckets.take("b", 0)).toBe(true);
    buckets.giveBack("a");
    buckets.giveBack("unknown");
    expect([buckets.take("a", 0), buckets.take("a", 0)]).toEqual([true, false]);
    expect(buckets.size).toBe(2);
  });

  it("replaces the least recently used key, and counts it if its bucket was not full (S2)", () => {
    const buckets = new KeyedTokenBuckets({ capacity: 1, perSecond: 1 }, 2);
    for (const [at, key] of ["a", "b", "c"].entries()) buckets.take(key, at);
    expect({ size: buckets.size, evictions: buckets.evictions }).toEqual({ size: 2, evictions: 1 });
    expect([buckets.take("b", 3), buckets.take("a", 4)]).toEqual([false, true]);
    expect(buckets.evictions).toBe(2);
    buckets.take("c", 3 * NS_PER_S);
    buckets.take("d", 3 * NS_PER_S);
    expect(buckets.take("c", 3 * NS_PER_S)).toBe(false);
    expect({ size: buckets.size, evictions: buckets.evictions }).toEqual({ size: 2, evictions: 2 });
  });
});
