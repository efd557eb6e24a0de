import { describe, expect, it } from "vitest";
import { networkOf, sourceOf } from "./source.ts";

describe("a source", () => {
  it.each([
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["0:0:0:0:0:FFFF:192.0.2.7", "192.0.2.7"],
    ["2001:db8:0:1:aaaa:bbbb:cccc:dddd", "2001:db8:0:1"],
    ["2001:0DB8:0000:0001::5", "2001:db8:0:1"],
    ["2001:db8::1", "2001:db8:0:0"],
    ["2001:db8:1::", "2001:db8:1:0"],
    ["2001:db8:1:2:3::", "2001:db8:1:2"],
    ["::1", "0:0:0:0"],
    ["::", "0:0:0:0"],
    ["fe80::1%eth0", "fe80:0:0:0"],
    ["64:ff9b::192.0.2.7", "64:ff9b:0:0"],
    ["64:ff9b:1:2:3:4:192.0.2.7", "64:ff9b:1:2"],
    ["", ""],
  ])("of %s is %s", (address, source) => {
    expect(sourceOf(address)).toBe(source);
  });
});

describe("the network", () => {
  it.each([
    ["192.0.2.7", "192.0.2"],
    ["2001:db8:1:2", "2001:db8:1"],
    ["", ""],
  ])("of %s is %s", (source, network) => {
    expect(networkOf(source)).toBe(network);
  });
});
