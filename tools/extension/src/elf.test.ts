import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isElf, readElf } from "./elf.ts";
import { ExtensionError } from "./extension-error.ts";
import { elfFile } from "./testing/elf-file.ts";

const isLinux = process.platform === "linux";
const node = isLinux ? readFileSync(process.execPath) : Buffer.alloc(0);

describe("readElf", () => {
  it("reads machine, interpreter and needed libraries in order", () => {
    const parts = { machine: 183, interpreter: "/lib/ld-linux-aarch64.so.1", needed: ["libm.so.6", "libc.so.6"] };
    expect(readElf(elfFile(parts), "made")).toEqual(parts);
  });

  it("reads a library that needs nothing", () => {
    expect(readElf(elfFile({}), "made")).toEqual({ machine: 62, interpreter: undefined, needed: [] });
  });

  it.runIf(isLinux)("reads the Node that runs this test, and its loader", () => {
    const { machine, interpreter, needed } = readElf(node, "node");
    expect(machine).toBe(process.arch === "arm64" ? 183 : 62);
    expect(interpreter).toMatch(/^\/lib(64)?\/ld-linux-/);
    expect(needed).toEqual(expect.arrayContaining(["libc.so.6", "libstdc++.so.6"]));
    const loader = readElf(readFileSync(interpreter ?? ""), "loader");
    expect(loader).toEqual({ machine, interpreter: undefined, needed: [] });
  });

  it.runIf(isLinux).each([
    ["the magic number alone", node.subarray(0, 4), "want a 64-bit"],
    ["half a header", node.subarray(0, 40), "damaged"],
    ["a header alone", node.subarray(0, 64), "damaged"],
    ["all but its strings", Buffer.from(node.subarray(0, 4_096)).fill(0xff, 1_024), "damaged"],
    ["a 32-bit file", Buffer.concat([node.subarray(0, 4), Buffer.from([1]), node.subarray(5, 64)]), "want a 64-bit"],
    ["a script", Buffer.from("#!/bin/sh\n"), "want a 64-bit"],
    ["no bytes", Buffer.alloc(0), "want a 64-bit"],
  ])("refuses %s and names the file", (_, bytes, why) => {
    expect(() => readElf(bytes, "bin/node")).toThrow(`bin/node: ${why}`);
    expect(() => readElf(bytes, "bin/node")).toThrow(expect.objectContaining({ code: "binary" }));
  });

  it("returns or throws ExtensionError for any bytes", () => {
    const file = elfFile({ interpreter: "/lib/ld.so", needed: ["libc.so.6"] });
    const change = fc.tuple(fc.nat(file.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 64 }), fc.nat(file.length), (changes, length) => {
        const broken = Buffer.from(file.subarray(0, length));
        for (const [at, value] of changes) if (at < length) broken[at] = value;
        try {
          readElf(broken, "broken");
        } catch (error) {
          expect(error).toBeInstanceOf(ExtensionError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

it("isElf looks at the magic number", () => {
  expect([isElf(elfFile({})), isElf(Buffer.from("#!/bin/sh"))]).toEqual([true, false]);
});
