import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError } from "./config-error.ts";
import { DOCUMENT_MAX_CHARS, documentOf, readDocument } from "./document.ts";

function refusal(read: () => unknown): string {
  try {
    read();
    return "taken";
  } catch (error) {
    if (error instanceof ConfigError) return `${error.code} ${error.message}`;
    throw error;
  }
}

describe("a document", () => {
  it("of any JSON is that value", () => {
    // __proto__ is a key like any other, and assertions take it for the prototype.
    const value = fc
      .jsonValue({ noUnicodeString: false })
      .filter((json) => !JSON.stringify(json).includes("__proto__"));
    fc.assert(
      fc.property(value, (json) => {
        expect(documentOf(JSON.stringify(json), "plan.yaml")).toEqual(JSON.parse(JSON.stringify(json)));
      }),
    );
  });

  const deep = "syntax plan.yaml: got nesting too deep to read, want a few levels";
  it.each([
    [
      "too large",
      " ".repeat(DOCUMENT_MAX_CHARS + 1),
      "too-large plan.yaml: got 4194305 characters, want at most 4194304",
    ],
    ["a key twice", "a:\n  - b: 1\n    b: 2", "syntax plan.yaml:3:5: got a key twice, want each key once"],
    ["an alias", "a: &x 1\nb: [*x]", "syntax plan.yaml:2:5: got the alias *x, want the value written out"],
    ["an alias of itself", "&x [*x]", "syntax plan.yaml:1:5: got the alias *x, want the value written out"],
    ["a custom tag", "a: !own 1", "syntax plan.yaml:1:4: got broken YAML (TAG_RESOLVE_FAILED), want no tag"],
    ["two documents", "a: 1\n---\nb: 1", "syntax plan.yaml:2:1: got broken YAML (MULTIPLE_DOCS), want one document"],
    ["a key that is no text", "? [a]\n: b", "syntax plan.yaml:1:3: got broken YAML (NON_STRING_KEY), want a text key"],
    ["nesting without end", "[".repeat(20_000), deep],
    ["values of values without end", `{"a":"b${'":"b'.repeat(9_000)}"}`, deep],
  ])("is refused where it is %s", (_, text, message) => {
    expect(refusal(() => documentOf(text, "plan.yaml"))).toBe(message);
  });

  it("of a file that cannot be read is refused with the system's code", () => {
    expect(refusal(() => readDocument("/nonexistent/a.yaml"))).toBe(
      "unreadable /nonexistent/a.yaml: got ENOENT, want a file that can be read",
    );
  });

  it("of very many keys is read: its time grows with their number, not with the square of it", () => {
    // Comparing every two of them takes a minute and more, which is longer than a test may take.
    const text = Array.from({ length: 60_000 }, (_, at) => `key${at}: 1\n`).join("");
    expect(Object.keys(documentOf(text, "plan.yaml") as object)).toHaveLength(60_000);
  });
});
