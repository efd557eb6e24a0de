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
  it("is refused, and its setting is named", () => {
    const { path, open: opening } = open("SECRET\n");
    expect(opening).toThrow(`stampKeyFile: got "${path}" (6 bytes), want a file with a key of 16 to 1024 bytes`);
    expect(opening).not.toThrow(/SECRET/);
  });

  it("is read again after it was replaced; when it is bad, the last good key stays in use, with one warning", () => {
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
