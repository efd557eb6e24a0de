import { describe, expect, it } from "vitest";
import { parseSiderolinkPrefix, siderolinkPrefix } from "./siderolink-prefix.ts";
import { temporaryFile } from "./testing/loopback.ts";

const line = (address: string, name: string) => `${address} 05 40 00 80     ${name}\n`;
const linkLocal = "fe8000000000000000fc00fffe000001";
const node = "fdae41e4649b9303123456789abcdef0";

describe("the SideroLink prefix", () => {
  it.each([
    ["kernel WireGuard", line(linkLocal, "siderolink") + line(node, "siderolink"), "fdae:41e4:649b:9303"],
    ["WireGuard over gRPC", line("fdae41e4649b93030000000000000001", "siderolinktun"), "fdae:41e4:649b:9303"],
    ["zero groups, written out", line("fd000000000000000000000000000001", "siderolink"), "fd00:0:0:0"],
    ["another interface", line(node, "eth0"), undefined],
    ["a name that only begins so", line(node, "siderolink0"), undefined],
    ["no unique local address", line(linkLocal, "siderolink"), undefined],
    ["nonsense", "siderolink\nzz 05 siderolink", undefined],
    ["nothing", "", undefined],
  ])("of %s", (_, table, prefix) => {
    expect(parseSiderolinkPrefix(table)).toBe(prefix);
  });

  it("is read from a file that need not exist", () => {
    using table = temporaryFile("if_inet6", line(node, "siderolink"));
    expect(siderolinkPrefix(table.path)).toBe("fdae:41e4:649b:9303");
    expect(siderolinkPrefix("/nonexistent")).toBeUndefined();
  });
});
