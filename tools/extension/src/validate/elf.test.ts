import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ElfError, isElf, readElf } from "./elf.ts";

const node = readFileSync(process.execPath);
const elf = readElf(node);

describe("an ELF file", () => {
  it("of this machine tells its machine, its loader and its libraries", () => {
    expect(elf.machine).toBe(process.arch === "arm64" ? 183 : 62);
    expect(elf.interpreter).toMatch(/^\/lib(64)?\/ld-linux-/);
    expect(elf.needed).toContain("libc.so.6");
  });

  it("that is a library has no interpreter that is a program's", () => {
    const loader = readElf(readFileSync(elf.interpreter ?? ""));
    expect(loader).toEqual({ machine: elf.machine, interpreter: undefined, needed: [] });
  });

  it.each([
    ["no bytes", new Uint8Array()],
    ["the magic alone", node.subarray(0, 4)],
    ["half a header", node.subarray(0, 40)],
    ["a header alone", node.subarray(0, 64)],
    ["all but its strings", node.subarray(0, 4_096).fill(0xff, 1_024)],
  ])("cut to %s is damaged", (_, bytes) => {
    expect(() => readElf(bytes)).toThrow(expect.objectContaining({ code: "damaged" }));
  });

  it("of 32 bits is foreign", () => {
    const bytes = Uint8Array.from(node.subarray(0, 4_096));
    bytes[4] = 1;
    expect(() => readElf(bytes)).toThrow(expect.objectContaining({ code: "foreign" }));
  });

  it("however damaged throws its own error or none", () => {
    const loader = readFileSync(elf.interpreter ?? "");
    const change = fc.tuple(fc.nat({ max: 4_095 }), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 64 }), fc.nat({ max: 8_192 }), (changes, length) => {
        const bytes = Uint8Array.from(loader.subarray(0, Math.max(length, 64)));
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        try {
          readElf(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(ElfError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("is told by its magic", () => {
    expect([isElf(node), isElf(Buffer.from("#!/bin/sh"))]).toEqual([true, false]);
  });
});
