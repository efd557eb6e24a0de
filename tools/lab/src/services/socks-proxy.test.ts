import { describe, expect, it } from "vitest";
import { authorityOf } from "./socks-proxy.ts";

const IPV6 = "20010db8000000000000000000000001";

describe("a SOCKS request", () => {
  it.each<[string, string | undefined]>([
    ["05010001c0000201 01bb", "192.0.2.1:443"],
    [`0501000307${Buffer.from("ghcr.io").toString("hex")}01bb`, "ghcr.io:443"],
    [`05010004${IPV6}01bb`, "[2001:db8::1]:443"],
    ["05010001c00002", undefined],
    ["0501000307676863", undefined],
    ["05010009c000020101bb", undefined],
  ])("%s is for %s", (hex, authority) => {
    expect(authorityOf(Buffer.from(hex.replaceAll(" ", ""), "hex"))).toBe(authority);
  });
});
