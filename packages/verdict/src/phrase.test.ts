import type { Evidence } from "@lifeline/measure";
import { lossOf } from "@lifeline/window";
import { describe, expect, it } from "vitest";
import {
  bounded,
  inMs,
  inPercent,
  inSeconds,
  lossPhrase,
  MAX_SENTENCE_LENGTH,
  quoted,
  rttPhrase,
  seenPhrase,
  timeOfDay,
} from "./phrase.ts";
import { lookbackOf, NOW_MS, rememberedOf } from "./testing/judgement-fixture.ts";

it.each<[string, () => string, string]>([
  ["a time", () => timeOfDay(NOW_MS + 999), "2026-08-01T12:00:00Z"],
  ["the last time of a Date", () => timeOfDay(8.64e15), "+275760-09-13T00:00Z"],
  ["a time beyond it", () => timeOfDay(8.64e15 + 1), "?"],
  ["a time before the first", () => timeOfDay(-8.64e15 - 1), "?"],
  ["no time", () => timeOfDay(Number.NaN), "?"],
  ["milliseconds", () => inMs(1_234_567), "1.23 ms"],
  ["few milliseconds", () => inMs(5_000_000), "5 ms"],
  ["a percentage", () => inPercent(0.016_66), "1.7 %"],
  ["a whole percentage", () => inPercent(0.5), "50 %"],
  ["seconds", () => inSeconds(60_400), "60 s"],
  ["seconds, rounded", () => inSeconds(59_500), "60 s"],
  ["seconds, rounded down", () => inSeconds(59_499), "59 s"],
  ["untrusted text", () => quoted('a "b" c'), `"a 'b' c"`],
])("%s", (_, phrase, wanted) => {
  expect(phrase()).toBe(wanted);
});

it("cuts a text at its bound, and marks the cut", () => {
  expect(MAX_SENTENCE_LENGTH).toBe(2_000);
  expect(bounded("x".repeat(2_000))).toBe("x".repeat(2_000));
  expect(bounded("x".repeat(2_001))).toBe(`${"x".repeat(1_999)}…`);
});

describe("round-trip times", () => {
  const figures = { p50Ns: 1_000_000, p95Ns: 2_000_000, maxNs: 3_000_000, count: 9, kernelCount: 0 };
  it("are three figures, or nothing", () => {
    expect(rttPhrase(figures)).toBe("round-trip time p50 1 ms, p95 2 ms, max 3 ms");
    for (const missing of ["p50Ns", "p95Ns", "maxNs"]) expect(rttPhrase({ ...figures, [missing]: undefined })).toBe("");
  });
});

it.each([
  [{ answered: 57, timeout: 3 }, "3 of 60 lost (5 %, 95 % interval 1.7 % to 14 %)"],
  [{ answered: 57, timeout: 3, late: 2 }, "3 of 62 lost (4.8 %, 95 % interval 1.7 % to 13 %), 2 late"],
  [{ answered: 4, late: 1, silent: 2 }, "0 of 5 lost, 1 late, 2 sent to a peer that need not answer"],
  [{ silent: 1 }, "0 of 0 lost, 1 sent to a peer that need not answer"],
])("loss: %j", (counts, phrase) => {
  expect(lossPhrase(lossOf(lookbackOf(counts)))).toBe(phrase);
});

describe("what a sample saw", () => {
  const MEANING = "a router reports that the host is unreachable";
  const chain = [
    { subject: "CN=a", issuer: "CN=b", notBefore: "", notAfter: "2027-01-01", sha256: "00", anchor: false },
  ];
  it.each<[Evidence, string]>([
    [{}, ""],
    [{ code: "EHOSTUNREACH" }, " (EHOSTUNREACH)"],
    [{ httpStatus: 503 }, " (HTTP status 503)"],
    [{ grpcStatus: 14 }, " (gRPC status 14)"],
    [{ address: "192.0.2.1" }, " (at 192.0.2.1)"],
    [{ chain }, ' (certificate "CN=a" issued by "CN=b", valid until 2027-01-01)'],
    [{ chain: [] }, ""],
    [{ redirects: ["http://a", "http://b"] }, ' (redirected to "http://b")'],
    [{ redirects: [] }, ""],
    [{ code: "X", httpStatus: 1, address: "y" }, " (X, HTTP status 1, at y)"],
  ])("%j", (evidence, details) => {
    expect(seenPhrase("host-unreachable", rememberedOf("host-unreachable", NOW_MS, evidence))).toBe(MEANING + details);
  });

  it("names the authentication that a proxy wants", () => {
    const seen = rememberedOf("proxy-auth-scheme", NOW_MS, { code: "NTLM", proxyStatus: 407 });
    expect(seenPhrase("proxy-auth-scheme", seen)).toMatch(
      /^the proxy wants NTLM, which neither Talos \(Go net\/http\) nor Lifeline speaks/,
    );
  });

  it("is the meaning of the reason where no sample is kept", () => {
    expect(seenPhrase("host-unreachable", undefined)).toBe(MEANING);
  });
});
