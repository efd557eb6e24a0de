/** The status table with the advice below it, and the same rows as CSV and Markdown. */
import { countsAgainst } from "../exit-code.ts";
import { csvText } from "./csv.ts";
import { proseLines } from "./display-width.ts";
import { foldAlike } from "./fold.ts";
import { codeSpan, markdownLines } from "./markdown.ts";
import { paint, VERDICT_LOOKS } from "./paint.ts";
import { fittingTable, STATUS_FIELDS, severalNodes, wideColumns } from "./status-columns.ts";
import type { StatusModel, StatusRow } from "./status-row.ts";
import { type TableLayout, tableLines } from "./table.ts";

/** How the status is laid out. */
export interface StatusLayout extends TableLayout {
  /** Every row and every column, nothing cut; `width` is not used. */
  readonly wide: boolean;
}

/** The table, a line for what was folded, and a line each for what to do; ends with a line feed. */
export function renderStatus(model: StatusModel, layout: StatusLayout): string {
  const { width, color, wide } = layout;
  const shown = wide ? model.rows : foldAlike(model.rows.filter(({ verdict }) => verdict !== "not-applicable"));
  const lines = model.rows.length === 0 ? ["No rows: nothing has been judged yet."] : [];
  if (shown.length > 0) {
    const table = wide
      ? { columns: wideColumns(model), width: undefined }
      : { ...fittingTable(model, shown, width), width };
    lines.push(...tableLines(table.columns, shown, { ...table, color }));
  }
  const advice = adviceLines(model, shown, layout);
  const summary = summaryLine(model, wide);
  if (lines.length > 0) lines.push("");
  lines.push(...proseLines(summary, wide ? undefined : width));
  if (wide) lines.push(...noteLines(model));
  const remarks = [...(shown.length === 0 ? inapplicableLines(model) : []), ...(model.remarks ?? [])];
  if (remarks.length > 0) lines.push("", ...remarks.flatMap((line) => proseLines(line, wide ? undefined : width)));
  if (advice.length > 0) lines.push("", ...advice);
  return `${lines.join("\n")}\n`;
}

/** The rows as a Markdown table with the advice as a list. */
export function statusMarkdown(model: StatusModel): string {
  const advice = model.rows.filter(needsAdvice).map((row) => `- ${adviceOf(row, model, codeSpan)}`);
  const table = markdownLines(wideColumns(model), model.rows);
  const notes = noteLines(model, codeSpan).map((line) => `- ${line}`);
  const remarks = (model.remarks ?? []).map((line) => `- ${codeSpan(line)}`);
  const below = [notes, remarks, advice].flatMap((part) => (part.length === 0 ? [] : ["", ...part]));
  return `${[...table, "", summaryLine(model, true), ...below].join("\n")}\n`;
}

/** The rows as CSV; names and units as in the JSON. */
export function statusCsv(model: StatusModel): string {
  return csvText(STATUS_FIELDS, model.rows);
}

/**
 * `6 of 8 required rows met · 1 unmet · 1 unknown · 2 optional rows: 1 met, 1 unmet · 3 not applicable (--output wide
 * shows them)`. The parts of each kind of row add up to its total.
 */
function summaryLine({ rows }: StatusModel, wide: boolean): string {
  const counted = rows.filter(({ comparison }) => !comparison);
  const applicable = counted.filter(({ verdict }) => verdict !== "not-applicable");
  const required = applicable.filter((row) => row.required);
  const optional = applicable.filter((row) => !row.required);
  const met = required.filter(({ verdict }) => verdict === "met").length;
  const parts = [`${met} of ${rowsText(required.length, "required")} met`];
  parts.push(...verdictParts(required, ["degraded", "unmet", "unknown"]));
  if (optional.length > 0) {
    const among = verdictParts(optional, ["met", "degraded", "unmet", "unknown"]).join(", ");
    parts.push(`${rowsText(optional.length, "optional")}: ${among}`);
  }
  const folded = counted.length - applicable.length;
  if (folded > 0) parts.push(`${folded} not applicable`);
  const notes = notesByText({ rows }).size;
  if (notes > 0) parts.push(`${notes} ${notes === 1 ? "note" : "notes"}`);
  return `${parts.join(" · ")}${folded + notes > 0 && !wide ? " (--output wide shows them)" : ""}`;
}

function rowsText(count: number, kind: string): string {
  return `${count} ${kind} ${count === 1 ? "row" : "rows"}`;
}

/** How many rows have each of those verdicts; none where there is no such row. */
function verdictParts(rows: readonly StatusRow[], verdicts: readonly StatusRow["verdict"][]): string[] {
  return verdicts.flatMap((verdict) => {
    const many = rows.filter((row) => row.verdict === verdict).length;
    return many === 0 ? [] : [`${many} ${verdict}`];
  });
}

/** Most rows named that do not apply, where no other is shown. */
const INAPPLICABLE_NAMED = 5;

/** Where no row applies, such as one chosen by --only: why. */
function inapplicableLines({ rows }: StatusModel): string[] {
  const more = rows.length - INAPPLICABLE_NAMED;
  const lines = rows
    .slice(0, INAPPLICABLE_NAMED)
    .map(({ requirement, evidence }) => `${requirement} does not apply: ${evidence}.`);
  return more > 0 ? [...lines, `${more} more rows do not apply.`] : lines;
}

/** A line for each note: what it says, and of which requirements. */
function noteLines(model: StatusModel, mark = (text: string) => text): string[] {
  return [...notesByText(model)].map(([note, requirements]) => `note: ${mark(note)} (${[...requirements].join(", ")})`);
}

function notesByText({ rows }: Pick<StatusModel, "rows">): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const { notes, requirement } of rows) {
    for (const note of notes) found.set(note, (found.get(note) ?? new Set()).add(requirement));
  }
  return found;
}

/**
 * A line each: unmet and degraded rows, and those unknown ones that keep the exit code from being 0. Rows that only
 * follow from another shown one are counted below it: fixing that one fixes them.
 */
function adviceLines(model: StatusModel, rows: readonly StatusRow[], { width, color, wide }: StatusLayout): string[] {
  const advised = rows.filter(needsAdvice);
  const rootOf = (row: StatusRow) =>
    advised.find(({ node, targetId }) => node === row.node && targetId !== null && targetId === row.followsFrom);
  return advised.flatMap((row) => {
    if (rootOf(row) !== undefined) return [];
    const symptoms = advised.filter((other) => rootOf(other) === row);
    const { tone } = VERDICT_LOOKS[row.verdict];
    const room = width === undefined || wide ? undefined : width - INDENT.length;
    return [adviceOf(row, model), ...symptomText(symptoms)].flatMap((text, nth) =>
      proseLines(text, room).map((line, at) => (nth + at === 0 ? paint(line, tone, color) : INDENT + line)),
    );
  });
}

/** Most rows named in one line of symptoms. */
const SYMPTOMS_NAMED = 3;

function symptomText(symptoms: readonly StatusRow[]): string[] {
  if (symptoms.length === 0) return [];
  const named = symptoms
    .slice(0, SYMPTOMS_NAMED)
    .map(({ requirement, probe, target }) => [requirement, probe ?? [], target ?? []].flat().join(" "));
  const more = symptoms.length - named.length;
  const rest = more > 0 ? ` and ${more} more` : "";
  return [
    `${symptoms.length} ${symptoms.length === 1 ? "row follows" : "rows follow"} from it: ${named.join(", ")}${rest}`,
  ];
}

const INDENT = "    ";

function needsAdvice(row: StatusRow): boolean {
  // A path that the node does not use is measured for comparison only.
  if (row.comparison) return false;
  return row.verdict === "unmet" || row.verdict === "degraded" || countsAgainst(row);
}

/** `mark` is applied to each part that the program did not write itself. */
function adviceOf(row: StatusRow, model: StatusModel, mark = (text: string) => text): string {
  const sign = VERDICT_LOOKS[row.verdict].text.charAt(0);
  const node = severalNodes(model) ? `${mark(row.node)} ` : "";
  const where = mark(row.target === null ? row.requirement : `${row.requirement} ${row.target}`);
  const next = row.nextStep === null ? "" : ` → ${mark(row.nextStep)}`;
  return `${sign} ${node}${where}: ${row.evidence === "" ? "no evidence was given" : mark(row.evidence)}${next}`;
}
