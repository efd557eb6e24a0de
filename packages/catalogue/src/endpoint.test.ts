import { describe, expect, it } from "vitest";
import { isHost, readHostPort } from "./endpoint.ts";

describe("a host", () => {
  it.each([
    ["omni.example", true],
    ["192.0.2.1", true],
    ["2001:db8::1", true],
    ["my_host.example", false],
    ["1.2.3", false],
    // URLs reject it, so HTTP/2 cannot request it.
    ["omni.1", false],
  ])("is one that a probe can measure: %s %s", (text, isOne) => expect(isHost(text)).toBe(isOne));

  it("that only looks like a literal is refused and not looked up", () => {
    expect(isHost("::ffff:127.0.0.01")).toBe(false);
    expect(readHostPort("[::ffff:127.0.0.01]:443")).toBeUndefined();
  });
});
