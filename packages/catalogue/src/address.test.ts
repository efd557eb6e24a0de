import { describe, expect, it } from "vitest";
import { isHost, literalFamily, readHostPort } from "./address.ts";

describe("an address literal", () => {
  it.each([
    ["192.0.2.1", 4],
    ["::1", 6],
    ["::ffff:127.0.0.1", 6],
    ["::ffff:127.0.0.01", undefined],
    ["fe80::1%eth0", undefined],
    ["omni.example", undefined],
  ])("is what Node connects to without a lookup: %s", (text, family) => {
    expect(literalFamily(text)).toBe(family);
  });

  it("that is none is refused as a host, not looked up", () => {
    expect(isHost("::ffff:127.0.0.01")).toBe(false);
    expect(readHostPort("[::ffff:127.0.0.01]:443")).toBeUndefined();
  });
});
