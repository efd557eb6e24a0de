import { describe, expect, it } from "vitest";
import { RETRY_AFTER_MAX_MS, retryAfterMs } from "./retry-after.ts";

const NOW_MS = Date.parse("2026-11-30T12:00:00Z");

describe("Retry-After", () => {
  it.each([
    ["seconds", "120", undefined, 120_000],
    ["seconds with spaces", " 5 ", undefined, 5_000],
    ["no wait", "0", undefined, 0],
    ["more than the maximum", "86400", undefined, RETRY_AFTER_MAX_MS],
    ["a date, by this clock", "Mon, 30 Nov 2026 12:01:00 GMT", undefined, 60_000],
    ["a date, by the server's clock", "Mon, 30 Nov 2026 13:00:30 GMT", "Mon, 30 Nov 2026 13:00:00 GMT", 30_000],
    ["a date that is over", "Mon, 30 Nov 2026 11:00:00 GMT", undefined, 0],
    ["a date in a far year", "Fri, 31 Dec 9999 23:59:59 GMT", undefined, RETRY_AFTER_MAX_MS],
    ["nothing", undefined, undefined, 60_000],
    ["a negative number", "-5", undefined, 60_000],
    ["what is neither", "soon", undefined, 60_000],
  ])("of %s", (_, retryAfter, date, pauseMs) => {
    expect(retryAfterMs({ retryAfter, date }, NOW_MS)).toBe(pauseMs);
  });
});
