import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readStampKey } from "./stamp-key-file.ts";

const folder = mkdtempSync(join(tmpdir(), "lifeline-settings-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** The key, or the problem as one line. */
function read(path: string): string {
  const result = readStampKey("--key-file", path);
  return result.kind === "read"
    ? Buffer.from(result.value).toString()
    : `${result.problem.code} ${result.problem.line}`;
}

function readContent(content: string): string {
  const path = join(folder, "key");
  writeFileSync(path, content);
  return read(path).replace(path, "PATH");
}

describe("the STAMP key file", () => {
  it.each([
    ["as it is", "0123456789abcdef", "0123456789abcdef"],
    ["without one line end", "0123456789abcdef\n", "0123456789abcdef"],
    ["without one line end of Windows", "0123456789abcdef\r\n", "0123456789abcdef"],
    ["of the longest", "k".repeat(1_024), "k".repeat(1_024)],
    ["of the longest with a line end", `${"k".repeat(1_024)}\r\n`, "k".repeat(1_024)],
  ])("is read %s", (_, content, key) => {
    expect(readContent(content)).toBe(key);
  });

  it.each([
    ["too short", "SECRET\n", 6],
    ["too long", "S".repeat(1_025), 1_025],
    ["much too long", "S".repeat(9_999), 9_999],
  ])("is refused %s, without showing it (S1)", (_, content, bytes) => {
    const message = `bad-value --key-file: got "PATH" (${bytes} bytes), want a file with a key of 16 to 1024 bytes`;
    expect(readContent(content)).toBe(message);
  });

  it("is refused when it cannot be read, or is no file", () => {
    expect(read("/nonexistent")).toBe(
      'unreadable --key-file: got "/nonexistent" (ENOENT), want a file that can be read',
    );
    expect(read("/dev/zero")).toBe(
      'bad-value --key-file: got "/dev/zero" (no file), want a file with a key of 16 to 1024 bytes',
    );
  });
});
