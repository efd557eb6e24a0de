import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FILE_CHECK_MS } from "@lifeline/identity";
import { manualClock } from "@lifeline/measure";
import { createLog } from "@lifeline/settings";
import { describe, expect, it } from "vitest";
import { scratch } from "../testing/fixtures.ts";
import { openStampKey } from "./stamp-key.ts";

function open(content: string | Uint8Array) {
  const path = join(scratch().path, "stamp.key");
  writeFileSync(path, content);
  const clock = manualClock(0);
  const lines: string[] = [];
  const log = createLog(clock, "trace", { write: (line) => lines.push(line) });
  return { path, clock, lines, open: () => openStampKey(path, clock, log) };
}

const text = (key: Uint8Array) => Buffer.from(key).toString();

describe("the STAMP key file", () => {
  it.each([
    ["as it is", "0123456789abcdef", "0123456789abcdef"],
    ["without one line end", "0123456789abcdef\n", "0123456789abcdef"],
    ["without one line end of DOS", "0123456789abcdef\r\n", "0123456789abcdef"],
    ["of the longest", "k".repeat(1_024), "k".repeat(1_024)],
  ])("is read %s", (_, content, key) => {
    expect(text(open(content).open().current())).toBe(key);
  });

  it.each([
    ["too short", "SECRET\n", 6],
    ["too long", `${"S".repeat(1_025)}`, 1_025],
    ["much too long", "S".repeat(9_999), 9_999],
  ])("is refused %s, by field and never by content (S1)", (_, content, bytes) => {
    const { path, open: opening } = open(content);
    expect(opening).toThrow(`stampKeyFile: got ${path} (${bytes} bytes), want a file with a key of 16 to 1024 bytes`);
    expect(opening).not.toThrow(/SECRET|SSSS/);
  });

  it("is refused when it is not there, or no file", () => {
    const { path, open: opening } = open("");
    rmSync(path);
    expect(opening).toThrow(`stampKeyFile: got ${path} (ENOENT), want a file that can be read`);
    expect(() => openStampKey("/dev/zero", manualClock(0), createLog(manualClock(0), "silent"))).toThrow(
      "stampKeyFile: got /dev/zero (no file), want",
    );
  });

  it("is read again when it was replaced; a bad one leaves the last good key in use, with one warning", () => {
    const { path, clock, lines, open: opening } = open("first key of 20 char");
    const key = opening();
    const look = () => {
      clock.advance(FILE_CHECK_MS);
      return text(key.current());
    };
    writeFileSync(`${path}.new`, "second key of 20 cha");
    renameSync(`${path}.new`, path);
    expect(text(key.current())).toBe("first key of 20 char");
    expect(look()).toBe("second key of 20 cha");
    rmSync(path);
    expect([look(), look()]).toEqual(["second key of 20 cha", "second key of 20 cha"]);
    writeFileSync(path, "third key of 20 char");
    expect(look()).toBe("third key of 20 char");
    expect(lines.filter((line) => line.includes("ENOENT"))).toHaveLength(1);
    expect(lines.join()).not.toMatch(/key of 20/);
  });
});
