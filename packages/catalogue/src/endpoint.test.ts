import { matchesHost } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { isHost, readHostPort } from "./endpoint.ts";

it.each([
  ["ghcr.io", "ghcr.io", true],
  ["GHCR.io", "ghcr.IO", true],
  ["ghcr.io", "notghcr.io", false],
  ["ghcr.io", "a.ghcr.io", false],
  ["*.example.com", "a.example.com", true],
  ["*.example.COM", "a.b.EXAMPLE.com", true],
  ["*.example.com", "example.com", false],
  ["*.example.com", "aexample.com", false],
  ["2001:db8::1", "2001:DB8::1", true],
])("%s covers %s: %s", (pattern, host, covered) => expect(matchesHost(pattern, host)).toBe(covered));

describe("a host", () => {
  it.each([
    ["omni.example", true],
    ["192.0.2.1", true],
    ["2001:db8::1", true],
    ["my_host.example", true],
    ["-host.example", false],
    ["1.2.3", false],
    // URLs reject it, so HTTP/2 cannot request it.
    ["omni.1", false],
  ])("is one that a probe can measure: %s %s", (text, isOne) => expect(isHost(text)).toBe(isOne));

  it("that only looks like a literal is refused and not looked up", () => {
    expect(isHost("::ffff:127.0.0.01")).toBe(false);
    expect(readHostPort("[::ffff:127.0.0.01]:443")).toBeUndefined();
  });
});
