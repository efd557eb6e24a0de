import type { RecordType } from "@lifeline/measure";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeAnswer, encodeQuery } from "./dns-message.ts";
import { answerOf } from "./testing/dns-server.ts";

function queryOf(name: string, type: RecordType = "A"): Buffer {
  const query = encodeQuery(7, name, type);
  expect(query).toBeDefined();
  return Buffer.from(query ?? []);
}

describe("DNS messages", () => {
  it("query the A records of a name, with recursion (RFC 1035 §4.1)", () => {
    expect(queryOf("a.test.").toString("hex")).toBe("00070100000100000000000001610474657374000001".concat("0001"));
  });

  it("query AAAA records, and read those alone (RFC 3596)", () => {
    expect(queryOf("a.test", "AAAA").toString("hex").endsWith("001c0001")).toBe(true);
    const answer = answerOf(queryOf("good.test", "AAAA")) ?? Buffer.alloc(0);
    expect(decodeAnswer(answer, queryOf("good.test", "AAAA"))).toMatchObject({ addresses: ["::1"] });
    expect(decodeAnswer(answer, queryOf("good.test", "A"))).toEqual({ kind: "other" });
  });

  it.each([
    ["", false],
    ["a..b", false],
    [`${"x".repeat(63)}.test`, true],
    [`${"x".repeat(64)}.test`, false],
    [`${"x.".repeat(126)}y`, true],
    [`${"x.".repeat(127)}y`, false],
    ["ünï.test", false],
    ["with space.test", false],
  ])("encode %j: %s", (name, sound) => {
    expect(encodeQuery(1, name, "A") !== undefined).toBe(sound);
  });

  it("are read from random bytes and damaged answers without throwing", () => {
    const query = queryOf("good.test");
    const answer = answerOf(query) ?? Buffer.alloc(0);
    const kinds = ["answer", "other", "malformed"];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(kinds).toContain(decodeAnswer(bytes, query).kind);
      }),
    );
    const edits = fc.array(fc.tuple(fc.nat(answer.length - 1), fc.nat(255)), { maxLength: 6 });
    fc.assert(
      fc.property(edits, fc.nat(answer.length), (changes, length) => {
        const damaged = Buffer.from(answer);
        for (const [at, value] of changes) damaged[at] = value;
        expect(kinds).toContain(decodeAnswer(damaged.subarray(0, length), query).kind);
      }),
    );
  });

  it("are compared by name without case (RFC 1035 §2.3.3)", () => {
    const answer = answerOf(queryOf("good.test")) ?? Buffer.alloc(0);
    expect(decodeAnswer(answer, queryOf("GOOD.test"))).toMatchObject({
      kind: "answer",
      addresses: ["127.0.0.2", "127.0.0.1"],
    });
    expect(decodeAnswer(answer, queryOf("evil.test"))).toEqual({ kind: "other" });
    expect(decodeAnswer(queryOf("good.test"), queryOf("good.test"))).toEqual({ kind: "other" });
  });
});
