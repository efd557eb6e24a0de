import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FILE_CHECK_MS } from "@lifeline/identity";
import { manualClock } from "@lifeline/measure";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openAccessTokens } from "./access-tokens.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-tokens-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const ONE = "a".repeat(32);
const TWO = "b".repeat(40);

function opened(text: string | undefined, environment: Readonly<Record<string, string>> = {}) {
  const path = join(directory, "tokens");
  const write = (content: string) => {
    writeFileSync(`${path}.new`, content, { mode: 0o644 });
    renameSync(`${path}.new`, path);
  };
  if (text !== undefined) write(text);
  const logged: string[] = [];
  const clock = manualClock(0);
  const log = pino({}, { write: (line: string) => logged.push(line) });
  const tokens = openAccessTokens(text === undefined ? undefined : path, environment, clock, log);
  return { tokens, write, clock, logged };
}

describe("the tokens of people", () => {
  it("are read from lines, with comments, and from environment variables", () => {
    const { tokens } = opened(`# who\nada admin ${ONE} # for the night shift\n\n  grafana\treader ${TWO}\n`, {
      LIFELINE_READER_TOKEN: "c".repeat(32),
    });
    expect(tokens.principalOf(ONE)).toEqual({ name: "ada", role: "admin" });
    expect(tokens.principalOf(TWO)).toEqual({ name: "grafana", role: "reader" });
    expect(tokens.principalOf("c".repeat(32))).toMatchObject({ role: "reader" });
    expect(tokens.principalOf(`${ONE}a`)).toBeUndefined();
    expect(tokens.isEmpty).toBe(false);
    expect(opened(undefined).tokens.isEmpty).toBe(true);
  });

  it("are read again when the file is replaced: a removed token becomes unknown", () => {
    const { tokens, write, clock, logged } = opened(`ada admin ${ONE}`);
    write(`ada admin ${TWO}`);
    clock.advance(FILE_CHECK_MS);
    expect([tokens.principalOf(ONE), tokens.principalOf(TWO)?.name]).toEqual([undefined, "ada"]);
    write("ada admin short");
    clock.advance(FILE_CHECK_MS);
    expect(tokens.principalOf(TWO)?.name).toBe("ada");
    expect(logged.join("")).toContain("the tokens that were read before stay in use");
    expect(logged.join("")).not.toContain("bbb");
  });

  it.each([
    ["is emptied", ""],
    ["holds comments alone", "# no tokens\n"],
    ["is gone", undefined],
  ])("are no longer accepted when the file %s, which is logged once", (_, text) => {
    const { tokens, write, clock, logged } = opened(`ada admin ${ONE}`);
    if (text === undefined) rmSync(join(directory, "tokens"));
    else write(text);
    for (let at = 0; at < 3; at += 1) {
      clock.advance(FILE_CHECK_MS);
      expect(tokens.principalOf(ONE)).toBeUndefined();
    }
    expect(logged.filter((line) => line.includes("all of its tokens are revoked"))).toHaveLength(1);
    expect(tokens.isEmpty).toBe(false);
    write(`ada admin ${TWO}`);
    clock.advance(FILE_CHECK_MS);
    expect(tokens.principalOf(TWO)?.name).toBe("ada");
  });

  it("may have any printable character: a comment begins a line, or comes after a space", () => {
    const [odd, last] = [`#${ONE}`, `${ONE}#tail`];
    const { tokens } = opened(`ada admin ${ONE}#${TWO} # of the night shift\nbob reader ${last}\n  # a line\n`);
    expect(tokens.principalOf(`${ONE}#${TWO}`)?.name).toBe("ada");
    expect([tokens.principalOf(last)?.name, tokens.principalOf(ONE), tokens.principalOf(odd)]).toEqual([
      "bob",
      undefined,
      undefined,
    ]);
    expect(() => opened(`ada admin ${odd}`)).toThrow(/line 1: want NAME ROLE TOKEN/);
  });

  it("warns of a file that every user can read", () => {
    expect(opened(`ada admin ${ONE}`).logged.join("")).toContain("set mode 600");
  });

  it.each([
    ["another role", `ada root ${ONE}`, "line 1: want NAME ROLE TOKEN"],
    ["a token that is short", `# x\nada admin ${ONE.slice(1)}`, "line 2: want NAME ROLE TOKEN"],
    ["more words", `ada admin ${ONE} ${TWO}`, "line 1: want NAME ROLE TOKEN"],
    ["nothing", "# none\n", "no token"],
    [
      "more than any fleet has",
      `a reader ${ONE}\n`.repeat(300).replace(/a{32}/g, (_token, at: number) => `${at}`.padEnd(40, "x")),
      "at most 256",
    ],
  ])("refuses a file with %s, naming the line and never the token", (_, text, problem) => {
    const refusal = (() => {
      try {
        opened(text);
      } catch (error) {
        return error;
      }
      return undefined;
    })();
    expect(refusal).toMatchObject({ code: "bad-value", message: expect.stringContaining(problem) });
    expect(String(refusal)).not.toContain("aaa");
  });

  it("refuses a file that is not there, and a variable that holds no token", () => {
    const clock = manualClock(0);
    const log = pino({ level: "silent" });
    expect(() => openAccessTokens(join(directory, "none"), {}, clock, log)).toThrow(/ENOENT/);
    expect(() => opened(undefined, { LIFELINE_ADMIN_TOKEN: "short" })).toThrow(/LIFELINE_ADMIN_TOKEN: want 32 to 512/);
  });
});
