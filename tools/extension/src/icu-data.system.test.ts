import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cutIcuData, isKept } from "./icu-data.ts";

/** A package of ICU's format with these items, each filled with the letters of its name, between other bytes. */
function packageOf(names: readonly string[]): Buffer {
  const header = Buffer.from([16, 0, 0xda, 0x27, 20, 0, 0, 0, 0, 0, 2, 0, ...Buffer.from("CmnD")]);
  const toc = Buffer.alloc(4 + names.length * 8);
  toc.writeUInt32LE(names.length);
  const texts: Buffer[] = [];
  let at = toc.length;
  for (const [index, name] of names.entries()) {
    texts.push(Buffer.from(`icudt78l/${name}\0`));
    toc.writeUInt32LE(at, 4 + index * 8);
    at += texts.at(-1)?.length ?? 0;
  }
  for (const [index] of names.entries()) toc.writeUInt32LE(at + index * 8, 8 + index * 8);
  const items = names.map((name) => Buffer.alloc(8, name));
  return Buffer.concat([Buffer.from("before CmnD "), header, toc, ...texts, ...items, Buffer.from("after")]);
}

describe("cutIcuData", () => {
  it("removes names and overwrites data, and moves nothing", () => {
    const names = ["curr/de.res", "curr/en.res", "de.res", "en.res", "zh.res"];
    const program = packageOf(names);
    const { program: cut, cutBytes } = cutIcuData(program);
    const text = Buffer.from(cut).toString("latin1");
    expect({ length: cut.length, cutBytes }).toEqual({ length: program.length, cutBytes: 16 });
    expect(text.endsWith(`${"\0".repeat(8)}curr/en.${"\0".repeat(8)}en.resenzh.reszhafter`)).toBe(true);
    // The count stands behind "before CmnD " and the header of 16 bytes.
    expect(Buffer.from(cut).readUInt32LE(28)).toBe(2);
    expect(program.equals(packageOf(names)), "what was given is left as it was").toBe(true);
  });

  it.each([
    ["none", Buffer.from("CmnD"), "found 0 packages"],
    ["two", Buffer.concat([packageOf(["en.res"]), packageOf(["en.res"])]), "found 2 packages"],
    ["one without English", packageOf(["de.res", "fr.res"]), "no English"],
  ])("refuses %s", (_, program, why) => {
    expect(() => cutIcuData(program)).toThrow(why);
  });

  it.each([
    ["root.res", true],
    ["zone/en_001.res", true],
    ["zone/en_GB.res", false],
    ["unit/yue_Hans.res", false],
    ["lang/res_index.res", true],
    ["curr/pool.res", true],
    ["metaZones.res", true],
    ["haw.res", false],
    ["nfkc.nrm", true],
    ["brkitr/word.brk", true],
    ["brkitr/thaidict.dict", false],
    ["gb18030.cnv", false],
    ["translit/root.res", false],
  ])("%s stays: %s", (name, stays) => {
    expect(isKept(name)).toBe(stays);
  });

  it("leaves a Node with English, time zones and normalisation", () => {
    const directory = mkdtempSync(join(tmpdir(), "lifeline-icu-"));
    try {
      const node = join(directory, "node");
      writeFileSync(node, cutIcuData(readFileSync(process.execPath)).program);
      chmodSync(node, 0o755);
      const ask = `[
        new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/Berlin", dateStyle: "full", timeStyle: "long" }).format(0),
        new Date(0).toLocaleString("de", { timeZone: "UTC" }), "ﬁ".normalize("NFKD"), new URL("https://bücher.example").host,
        ["b", "ä", "a"].sort((one, other) => one.localeCompare(other)).join(""), /\\p{L}/u.test("é"), "İ".toLowerCase().length,
        new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from("é")), (1234.5).toLocaleString("de"),
      ].join("; ")`;
      const said = execFileSync(node, ["--print", ask], { encoding: "utf8" }).trim();
      expect(said).toBe(
        "Thursday, 1 January 1970 at 01:00:00 GMT+1; 1/1/1970, 12:00:00 AM; fi; xn--bcher-kva.example; aäb; true; 2; é; 1,234.5",
      );
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }, 60_000);
});
