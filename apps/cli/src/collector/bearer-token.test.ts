import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { CliError } from "../cli-error.ts";
import { TOKEN_MAX_BYTES, tokenSource } from "./bearer-token.ts";

const directory = mkdtempSync(join(tmpdir(), "lifeline-token-"));
afterAll(() => rmSync(directory, { recursive: true }));
const path = join(directory, "token");
const inFile = (text: string) => {
  writeFileSync(path, text);
  return tokenSource(path, {});
};
const thrown = (attempt: () => unknown): unknown => {
  try {
    attempt();
    return undefined;
  } catch (error) {
    return error;
  }
};

describe("where the token is", () => {
  it("the flag wins over the environment; what is empty is not set", () => {
    const env = { LIFELINE_TOKEN: "t" };
    expect(tokenSource("f", env)?.named).toBe("--token-file");
    expect(tokenSource(undefined, env)?.read()).toBe("t");
    expect(tokenSource(undefined, { LIFELINE_TOKEN_FILE: path, LIFELINE_TOKEN: "" })?.named).toBe(
      "LIFELINE_TOKEN_FILE",
    );
    expect(tokenSource(undefined, { LIFELINE_TOKEN: "", LIFELINE_TOKEN_FILE: "" })).toBeUndefined();
    expect(tokenSource(undefined, {})).toBeUndefined();
  });

  it("not in two variables, because either might be stale", () => {
    const attempt = () => tokenSource(undefined, { LIFELINE_TOKEN: "secret", LIFELINE_TOKEN_FILE: "f" });
    expect(attempt).toThrow("LIFELINE_TOKEN: cannot be combined with LIFELINE_TOKEN_FILE; set one of them");
  });
});

describe("a token", () => {
  const longest = "x".repeat(TOKEN_MAX_BYTES);
  it.each([
    ["as it is", "secret", "secret"],
    ["with a line end", "secret\n", "secret"],
    ["with a line end of another system", "secret\r\n", "secret"],
    ["as long as it may be, with either", `${longest}\r\n`, longest],
  ])("is read %s", (_, text, expected) => {
    expect(inFile(text)?.read()).toBe(expected);
  });

  it.each([
    ["empty", ""],
    ["an empty line", "\n"],
    ["two lines", "secret\nsecond\n"],
    ["one line and an empty one", "secret\n\n"],
    ["with a space", "secret word"],
    ["not ASCII", "secret\u00e9"],
    ["not printable", "secret\u001b[2J"],
    ["too long", `${longest}x`],
    ["far too long", longest.repeat(8)],
  ])("is refused when it is %s, and not repeated (S1)", (_, text) => {
    const error = thrown(() => inFile(text)?.read());
    expect(error).toMatchObject({
      code: "config",
      message: `--token-file: ${path} holds no token, want one line of 1 to 4096 printable characters without spaces`,
    });
    if (text.trim() !== "") expect(String(error)).not.toContain(text.trim().slice(0, 6));
  });

  it("is refused in a variable too, which is named", () => {
    const attempt = () => tokenSource(undefined, { LIFELINE_TOKEN: "secret word" })?.read();
    expect(attempt).toThrow(/^LIFELINE_TOKEN holds no token, want one line/);
  });

  it("is read again for each call, so that the file may be replaced", () => {
    const source = inFile("first");
    expect(source?.read()).toBe("first");
    writeFileSync(path, "second");
    expect(source?.read()).toBe("second");
  });

  it("comes through a pipe, in pieces", () => {
    const pipe = join(directory, "pipe");
    expect(spawnSync("mkfifo", [pipe]).status).toBe(0);
    const module = join(import.meta.dirname, "bearer-token.ts");
    const program = `import(${JSON.stringify(module)}).then((m) => console.log(m.tokenSource(${JSON.stringify(pipe)}, {}).read()))`;
    const line = `(printf sec; sleep 0.1; echo ret) > "$1" & exec "$2" --conditions=lifeline:source -e "$3"`;
    const { stdout, stderr } = spawnSync("bash", ["-c", line, "bash", pipe, process.execPath, program], {
      encoding: "utf8",
      timeout: 20_000,
    });
    expect([stdout, stderr]).toEqual(["secret\n", ""]);
  });

  it("that cannot be read says why", () => {
    expect(thrown(() => tokenSource(directory, {})?.read())).toBeInstanceOf(CliError);
    expect(() => tokenSource(directory, {})?.read()).toThrow(`--token-file: ${directory} cannot be read (EISDIR)`);
  });
});
