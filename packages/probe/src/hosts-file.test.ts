import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HOSTS_MAX_BYTES, HOSTS_MAX_NAMES, openHostsFile, parseHosts } from "./hosts-file.ts";
import { temporaryFile } from "./testing/loopback.ts";

describe("the hosts file", () => {
  it.each([
    ["", {}],
    ["127.0.0.1 a\n", { a: ["127.0.0.1"] }],
    ["  127.0.0.1\ta  B # c\r\n", { a: ["127.0.0.1"], b: ["127.0.0.1"] }],
    ["127.0.0.1 a\n::1 a\n127.0.0.2 a", { a: ["127.0.0.1", "::1", "127.0.0.2"] }],
    ["# 127.0.0.1 a\nnonsense a\n127.0.0.1\n1.2.3 a\nfd00::1%lo a\n", {}],
    ["127.0.0.1 __proto__\n", Object.fromEntries([["__proto__", ["127.0.0.1"]]])],
  ])("reads %j", (text, addresses) => {
    expect(Object.fromEntries(parseHosts(text))).toEqual(addresses);
  });

  it("never throws", () => {
    fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => void parseHosts(text)));
  });

  it("keeps a bounded number of names (S2)", () => {
    const text = Array.from({ length: HOSTS_MAX_NAMES + 3 }, (_, index) => `127.0.0.1 n${index}`).join("\n");
    expect(parseHosts(text).size).toBe(HOSTS_MAX_NAMES);
  });

  it("is cut at a whole line when it is too long, because half an address is another address", () => {
    const line = "127.0.0.1 filler\n";
    const filler = line.repeat(Math.floor((HOSTS_MAX_BYTES - 20) / line.length));
    using file = temporaryFile("hosts", `${filler}127.0.0.7 ${"x".repeat(60)}\n127.0.0.7 dropped\n`);
    const hosts = openHostsFile(file.path);
    expect(hosts.lookup("filler", 4)?.[0]).toBe("127.0.0.1");
    expect(hosts.lookup("dropped", 4)).toBeUndefined();
  });

  it("is empty when there is none", () => {
    expect(openHostsFile("/nonexistent").lookup("a", 4)).toBeUndefined();
  });
});
