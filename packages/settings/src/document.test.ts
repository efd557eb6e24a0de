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
  const deep = "syntax plan.yaml:1:1: got nesting too deep to read, want a few levels";
  it.each([
    [
      "too large",
      " ".repeat(DOCUMENT_MAX_CHARS + 1),
      "too-large plan.yaml: got 4194305 characters, want at most 4194304",
    ],
    ["a key twice", "a:\n  - b: 1\n    b: 2", "syntax plan.yaml:3:5: got a key twice, want each key once"],
    ["nesting without end", "[".repeat(20_000), deep],
  ])("is refused where it is %s", (_, text, message) => {
    expect(refusal(() => documentOf(text, "plan.yaml"))).toBe(message);
  });

  it("of a file that cannot be read is refused with the system's code", () => {
    expect(refusal(() => readDocument("/nonexistent/a.yaml"))).toBe(
      "unreadable /nonexistent/a.yaml: got ENOENT, want a file that can be read",
    );
  });
});
