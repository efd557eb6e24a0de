import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readYaml } from "./yaml-document.ts";

function refusal(text: string): readonly string[] {
  const result = readYaml(text);
  if (result.kind === "read") return ["read"];
  return result.problems.map(({ line, column, got, want }) => `${line}:${column}: got ${got}, want ${want}`);
}

describe("a YAML document", () => {
  it("of any JSON is that value", () => {
    // __proto__ is a key like any other, but assertions take it as the prototype.
    const value = fc
      .jsonValue({ noUnicodeString: false })
      .filter((json) => !JSON.stringify(json).includes("__proto__"));
    fc.assert(
      fc.property(value, (json) => {
        const read = { kind: "read", value: JSON.parse(JSON.stringify(json)) };
        expect(readYaml(JSON.stringify(json))).toEqual(read);
      }),
    );
  });

  const deep = "1:1: got nesting too deep to read, want a few levels";
  it.each([
    ["a key twice", "a:\n  - b: 1\n    b: 2", "3:5: got a key twice, want each key once"],
    ["an alias", "a: &x 1\nb: [*x]", "2:5: got the alias *x, want the value written out"],
    ["an alias of itself", "&x [*x]", "1:5: got the alias *x, want the value written out"],
    ["a custom tag", "a: !own 1", "1:4: got broken YAML (TAG_RESOLVE_FAILED), want no tag"],
    ["two documents", "a: 1\n---\nb: 1", "2:1: got broken YAML (MULTIPLE_DOCS), want one document"],
    ["a key that is no text", "? [a]\n: b", "1:3: got broken YAML (NON_STRING_KEY), want a text key"],
    ["nesting without end", "[".repeat(20_000), deep],
    ["values of values without end", `{"a":"b${'":"b'.repeat(9_000)}"}`, deep],
  ])("is refused where it has %s", (_, text, message) => {
    expect(refusal(text)).toEqual([message]);
  });

  it("is refused with every problem", () => {
    expect(refusal("a: 1\na: 2\nb: 3\nb: !own 4")).toEqual([
      "4:4: got broken YAML (TAG_RESOLVE_FAILED), want no tag",
      "2:1: got a key twice, want each key once",
      "4:1: got a key twice, want each key once",
    ]);
  });

  it("of very many keys is read in time that grows with their number, not with its square", () => {
    // Comparing every two of them takes a minute and more, which is longer than a test may take.
    const text = Array.from({ length: 60_000 }, (_, at) => `key${at}: 1\n`).join("");
    const result = readYaml(text);
    expect(result.kind === "read" && Object.keys(result.value as object)).toHaveLength(60_000);
  });
});
