import { describe, expect, it } from "vitest";
import { addressScope, isWithin } from "./address-scope.ts";

describe("the scope of an address", () => {
  it.each([
    ["127.0.0.1", "local"],
    ["127.255.0.9", "local"],
    ["0.0.0.0", "local"],
    ["169.254.169.254", "local"],
    ["224.0.0.1", "local"],
    ["255.255.255.255", "local"],
    ["::", "local"],
    ["::1", "local"],
    ["fe80::1", "local"],
    ["febf::1", "local"],
    ["ff02::1", "local"],
    ["::ffff:127.0.0.1", "local"],
    ["::ffff:169.254.169.254", "local"],
    ["fe80::1%eth0", "local"],
    ["name.test", "local"],
    ["10.9.0.21", "private"],
    ["172.31.255.255", "private"],
    ["192.168.1.1", "private"],
    ["100.64.0.1", "private"],
    ["::ffff:10.0.0.1", "private"],
    ["fd00::1", "private"],
    ["fc00::1", "private"],
    ["172.32.0.1", "public"],
    ["100.128.0.1", "public"],
    ["203.0.113.7", "public"],
    ["8.8.8.8", "public"],
    ["::ffff:8.8.8.8", "public"],
    ["2001:db8::1", "public"],
    ["2606:4700::1111", "public"],
  ])("%s is %s", (address, scope) => {
    expect(addressScope(address)).toBe(scope);
    expect(isWithin("public", address)).toBe(scope === "public");
    expect(isWithin("site", address)).toBe(scope !== "local");
  });
});
