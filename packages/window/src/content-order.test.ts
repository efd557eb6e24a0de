import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareContent } from "./content-order.ts";
import type { Remembered } from "./remembered.ts";

const word = fc.constantFrom("", "a", "b");
const few = fc.nat(1);
const certificate = fc.record({
  subject: word,
  issuer: word,
  notBefore: word,
  notAfter: word,
  sha256: word,
  anchor: fc.boolean(),
});
const evidence = fc.record(
  {
    answers: fc.array(word, { maxLength: 2 }),
    code: word,
    httpStatus: few,
    chain: fc.array(certificate, { maxLength: 2 }),
    link: fc.record({
      name: word,
      rxBytes: few,
      txBytes: few,
      rxFrozenMs: few,
      txPacketsSince: few,
      mtuBytes: few,
    }),
  },
  { requiredKeys: [] },
);
const remembered: fc.Arbitrary<Remembered> = fc.record({
  endedAtMs: few,
  reason: fc.constantFrom("answered", "refused"),
  phase: fc.constantFrom("connect", "tls"),
  run: fc.record({
    ordinal: few,
    outcomeClass: fc.constantFrom("good", "bad"),
    length: few,
    startedAtMs: few,
    lossRun: few,
    watched: few,
    stateLength: few,
    stateStartedAtMs: few,
  }),
  evidence,
});

describe("the order of remembered samples", () => {
  it("treats two as equal if, and only if, their contents are equal", () => {
    fc.assert(
      fc.property(remembered, remembered, (a, b) => {
        expect(compareContent(a, b) === 0).toBe(isDeepStrictEqual(a, b));
        expect(compareContent(a, structuredClone(a))).toBe(0);
      }),
    );
  });

  it("is total: antisymmetric and transitive", () => {
    fc.assert(
      fc.property(remembered, remembered, remembered, (a, b, c) => {
        expect(Math.sign(compareContent(a, b)) + Math.sign(compareContent(b, a))).toBe(0);
        if (compareContent(a, b) <= 0 && compareContent(b, c) <= 0) expect(compareContent(a, c)).toBeLessThanOrEqual(0);
      }),
    );
  });

  it("does not depend on the order of fields in the objects", () => {
    const [a, b] = [
      { code: "x", alpn: "h2" },
      { alpn: "h2", code: "x" },
    ].map((of) => ({
      endedAtMs: 1,
      reason: "refused" as const,
      phase: "connect" as const,
      run: {
        ordinal: 1,
        outcomeClass: "bad" as const,
        length: 1,
        startedAtMs: 1,
        lossRun: 0,
        stateLength: 1,
        stateStartedAtMs: 1,
      },
      evidence: of,
    })) as [Remembered, Remembered];
    expect(compareContent(a, b)).toBe(0);
  });
});
