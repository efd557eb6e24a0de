import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readElf } from "./elf.ts";
import { ExtensionError } from "./extension-error.ts";
import { elfFile } from "./testing/elf-file.ts";

describe("readElf", () => {
  it("reads machine, interpreter and needed libraries in order", () => {
    const parts = { machine: 183, interpreter: "/lib/ld-linux-aarch64.so.1", needed: ["libm.so.6", "libc.so.6"] };
    expect(readElf(elfFile(parts), "made")).toEqual(parts);
  });

  it("reads a library that needs nothing", () => {
    expect(readElf(elfFile({}), "made")).toEqual({ machine: 62, interpreter: undefined, needed: [] });
  });

  it.runIf(process.platform === "linux" && process.arch === "x64")("reads the node that runs this", () => {
    const { machine, interpreter, needed } = readElf(readFileSync(process.execPath), "node");
    expect({ machine, interpreter }).toEqual({ machine: 62, interpreter: "/lib64/ld-linux-x86-64.so.2" });
    expect(needed).toContain("libstdc++.so.6");
  });

  it("names the file that is none", () => {
    expect(() => readElf(new TextEncoder().encode("#!/bin/sh\n"), "bin/node")).toThrow(/bin\/node: no 64-bit/);
  });

  it("ends on whatever bytes, in facts or in an error of its own", () => {
    const file = elfFile({ interpreter: "/lib/ld.so", needed: ["libc.so.6"] });
    fc.assert(
      fc.property(
        fc.nat(file.length - 1),
        fc.integer({ min: 0, max: 255 }),
        fc.nat(file.length),
        (at, byte, length) => {
          const broken = Buffer.from(file.subarray(0, length));
          if (at < length) broken[at] = byte;
          try {
            readElf(broken, "broken");
          } catch (error) {
            expect(error).toBeInstanceOf(ExtensionError);
          }
        },
      ),
    );
  });
});
