import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeWholeFile } from "./whole-file.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-whole-"));
});
afterEach(() => rmSync(directory, { recursive: true }));
const at = (name: string) => join(directory, name);

describe("writeWholeFile", () => {
  it("replaces the file, with mode 0600 or the given one", async () => {
    await writeWholeFile(at("x"), "one");
    expect((statSync(at("x")).mode & 0o777).toString(8)).toBe("600");
    await writeWholeFile(at("x"), "two", 0o640);
    expect([readFileSync(at("x"), "utf8"), (statSync(at("x")).mode & 0o777).toString(8)]).toEqual(["two", "640"]);
    expect(readdirSync(directory)).toEqual(["x"]);
  });

  it.each(["x", "x.tmp"])("follows no link at %s", async (name) => {
    writeFileSync(at("victim"), "theirs", { mode: 0o644 });
    symlinkSync(at("victim"), at(name));
    await writeWholeFile(at("x"), "secret");
    expect(readFileSync(at("victim"), "utf8")).toBe("theirs");
    expect([lstatSync(at("x")).isFile(), readFileSync(at("x"), "utf8")]).toEqual([true, "secret"]);
  });

  it("does not write into an existing draft, which another process may have open", async () => {
    writeFileSync(at("x.tmp"), "a longer draft of a start that was cut off", { mode: 0o666 });
    await writeWholeFile(at("x"), "secret");
    expect(readFileSync(at("x"), "utf8")).toBe("secret");
    expect((statSync(at("x")).mode & 0o777).toString(8)).toBe("600");
  });

  it("rejects with the system's error", async () => {
    writeFileSync(at("file"), "");
    await expect(writeWholeFile(at("file/x"), "")).rejects.toMatchObject({ code: "ENOTDIR" });
  });
});
