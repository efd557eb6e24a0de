import { describe, expect, it } from "vitest";
import { targetText } from "./tunnel.ts";
import { lostText } from "./units.ts";

describe("targetText", () => {
  it.each([
    [null, null, false, "—"],
    ["ghcr.io:443", null, false, "ghcr.io:443"],
    ["ghcr.io:443", "10.0.0.8:3128", false, "ghcr.io:443 via 10.0.0.8:3128"],
    ["ghcr.io:443", null, true, "ghcr.io:443 (compared)"],
    ["[2001:db8::1]:443", "[fd00::8]:3128", false, "[2001:db8::1]:443 via [fd00::8]:3128"],
  ])("%s via %s, compared %s: %s", (target, proxy, comparison, text) => {
    expect(targetText({ target, proxy, comparison })).toBe(text);
  });
});

describe("lostText", () => {
  it.each([
    [0, 0, "—"],
    [0, 120, "0/120"],
    [3, 120, "3/120"],
  ])("%d of %d: %s", (lost, sent, text) => {
    expect(lostText(lost, sent)).toBe(text);
  });
});
