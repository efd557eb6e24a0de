import { visibleText } from "@lifeline/measure";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anyHostileText, HOSTILE_TEXTS } from "../testing/hostile-text.ts";
import { renderedMarkdown } from "../testing/rendered-markdown.ts";
import { codeSpan, markdownLines } from "./markdown.ts";
import type { Column } from "./table.ts";

type Row = readonly [string, string];
const columns: readonly Column<Row>[] = [
  { title: "HOST_NAME", text: ([name]) => name },
  { title: "AGENT", text: ([, agent]) => agent, align: "right" },
];
const tableOf = (rows: readonly Row[]) => renderedMarkdown(markdownLines(columns, rows).join("\n"));

/** Code spans of spaces alone are not checked, because a reader cannot see them. */
const seen = (text: string) => (visibleText(text).trim() === "" ? "" : visibleText(text));

describe("a table in Markdown", () => {
  it.each(HOSTILE_TEXTS)("shows %j as it is, and nothing of it is live", (text) => {
    const { elements, cells, prose } = tableOf([[text, "0.1.0"]]);
    expect(elements.filter((name) => !TABLE.includes(name))).toEqual([]);
    expect(cells).toEqual([
      ["HOST_NAME", "AGENT"],
      [expect.toSatisfy((cell: string) => cell === visibleText(text) || seen(text) === ""), "0.1.0"],
    ]);
    expect(prose.replace(/[|`\s]/g, "")).toBe("HOST_NAMEAGENT");
  });

  it("has one row for each, whose cells are the texts, and no other element, whatever they are", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyHostileText(), anyHostileText()), { minLength: 1, maxLength: 3 }), (rows) => {
        const { elements, cells, prose } = tableOf(rows);
        expect(elements.filter((name) => !TABLE.includes(name))).toEqual([]);
        expect(cells.slice(1).map((row) => row.map(seen))).toEqual(rows.map((row) => row.map(seen)));
        expect(prose.replace(/[|`\s]/g, "")).toBe("HOST_NAMEAGENT");
      }),
      { numRuns: 300 },
    );
  });

  it("shows what the program itself made plainly, and a dash for nothing", () => {
    const own: readonly Column<string>[] = [
      { title: "VERDICT", text: (text) => text, isOwn: true },
      { title: "NOTE", text: () => "—" },
    ];
    expect(markdownLines(own, ["~ degraded", "<0.01 %"])).toEqual([
      "| VERDICT | NOTE |",
      "| --- | --- |",
      "| \\~ degraded | — |",
      "| \\<0.01 % | — |",
    ]);
  });
});

const TABLE = ["table", "tbody", "td", "th", "thead", "tr", "code"];

describe("text in a list", () => {
  it("is one item with no other element, whatever it is", () => {
    fc.assert(
      fc.property(anyHostileText(), (text) => {
        const { elements, items, prose } = renderedMarkdown(`- ✗ ${codeSpan(text)}: end`);
        expect(elements.filter((name) => !["ul", "li", "code"].includes(name))).toEqual([]);
        expect(items.map((item) => item.trimEnd())).toEqual([
          expect.toSatisfy((item: string) => item === `✗ ${visibleText(text)}: end` || seen(text) === ""),
        ]);
        expect(prose.replace(/[|`\s]/g, "")).toBe("✗:end");
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ["plain", "`plain`"],
    ["", ""],
    ["—", "—"],
    ["a`b", "``a`b``"],
    ["`", "`` ` ``"],
    [" a ", "`  a  `"],
    ["a|b", "`a`&#124;`b`"],
    ["a\u202eb", "`a\\u{202E}b`"],
  ])("writes %j as %s", (text, span) => {
    expect(codeSpan(text)).toBe(span);
  });
});
