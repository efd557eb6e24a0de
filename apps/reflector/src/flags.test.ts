import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseFlags } from "./flags.ts";
import { readKeyFile } from "./key-file.ts";

describe("the flags", () => {
  it.each([
    [[], { host: "::", port: 862, keyFile: undefined, maxPerSourcePerSecond: 2_000 }],
    [["--listen", "192.0.2.1:50180"], { host: "192.0.2.1", port: 50180 }],
    [["--listen=[::1]:0", "--key-file", "k"], { host: "::1", port: 0, keyFile: "k" }],
    [["--max-per-source-per-second", "5"], { maxPerSourcePerSecond: 5 }],
  ])("read %j", (args, flags) => {
    expect(parseFlags(args)).toMatchObject({ kind: "run", flags });
  });

  const notListen = (text: string) => `--listen: ${text} is not ADDRESS:PORT, such as 192.0.2.1:862 or [::]:862`;
  it.each([
    [["--listen", "862"], notListen("862")],
    [["--listen", "omni.test:862"], notListen("omni.test:862")],
    [["--listen", "::1:862"], notListen("::1:862")],
    [["--listen", "[192.0.2.1]:862"], notListen("[192.0.2.1]:862")],
    [["--listen", "192.0.2.1:65536"], notListen("192.0.2.1:65536")],
    [["--max-per-source-per-second", "0"], "--max-per-source-per-second: 0 is not a whole number from 1 to 9999999"],
    [["--port", "1"], expect.stringContaining("'--port'")],
    [["stray"], expect.stringContaining("'stray'")],
    [["--listen"], expect.stringContaining("--listen")],
  ])("refuse %j, saying what would be right", (args, message) => {
    expect(parseFlags(args)).toEqual({ kind: "bad", message });
  });
});

describe("the key file", () => {
  it.each([
    ["a line", "0123456789abcdef\n", 16],
    ["a line of Windows", "0123456789abcdef\r\n", 16],
    ["bytes without a line end", "0123456789abcdefg", 17],
  ])("is %s", (_, text, bytes) => {
    withFile(text, (path) => {
      const read = readKeyFile(path);
      expect(read.kind === "key" && read.key.byteLength).toBe(bytes);
    });
  });

  it("is refused when it is short, without showing it (S1)", () => {
    withFile("secret\n", (path) => {
      const message = `--key-file: ${path} holds a key of 6 bytes; 16 to 1024 are wanted`;
      expect(readKeyFile(path)).toEqual({ kind: "bad", message });
    });
  });

  it("is refused when it cannot be read", () => {
    expect(readKeyFile("/nonexistent")).toEqual({
      kind: "bad",
      message: "--key-file: /nonexistent cannot be read: ENOENT",
    });
  });
});

function withFile(text: string, use: (path: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "lifeline-reflector-"));
  try {
    const path = join(folder, "key");
    writeFileSync(path, text);
    use(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
