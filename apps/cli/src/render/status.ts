/** The status table with the advice below it, and the same rows as CSV and Markdown. */

import { isoTime } from "../collector/wire-time.ts";
import { countsAgainst } from "../exit-code.ts";
import { csvText, type Field } from "./csv.ts";
import { proseLines } from "./display-width.ts";
import { foldAlike } from "./fold.ts";
import { codeSpan, markdownLines } from "./markdown.ts";
import { paint, VERDICT_LOOKS } from "./paint.ts";
import type { StatusModel, StatusRow } from "./status-row.ts";
import { type Column, narrowestWidth, type TableLayout, tableLines } from "./table.ts";
import { ONE_WAY_LOSS, targetText, UDP_PORT } from "./tunnel.ts";
import { ageText, durationsText, durationText, lossText, NONE, toMs } from "./units.ts";

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
  lines.push("", ...proseLines(summary, wide ? undefined : width));
  if (advice.length > 0) lines.push("", ...advice);
  return `${lines.join("\n")}\n`;
}

/** The rows as a Markdown table with the advice as a list. */
export function statusMarkdown(model: StatusModel): string {
  const advice = model.rows.filter(needsAdvice).map((row) => `- ${adviceOf(row, model, codeSpan)}`);
  const table = markdownLines(wideColumns(model), model.rows);
  return `${[...table, "", summaryLine(model, true), ...(advice.length === 0 ? [] : ["", ...advice])].join("\n")}\n`;
}

/** The rows as CSV; names and units as in the JSON. */
export function statusCsv(model: StatusModel): string {
  return csvText(STATUS_FIELDS, model.rows);
}

const REQUIREMENT: Column<StatusRow> = { title: "REQUIREMENT", text: (row) => row.requirement, shrinkTo: 11 };
const TARGET: Column<StatusRow> = { title: "TARGET", text: targetText, shrinkTo: 10, cut: "middle" };
const PROBE: Column<StatusRow> = { title: "PROBE", text: (row) => row.probe ?? NONE };
const VERDICT: Column<StatusRow> = {
  title: "VERDICT",
  text: (row) => VERDICT_LOOKS[row.verdict].text,
  tone: (row) => VERDICT_LOOKS[row.verdict].tone,
  isOwn: true,
};
const CAUSE: Column<StatusRow> = {
  title: "CAUSE",
  text: (row) => row.cause ?? (row.udpEvidence === null ? "" : `UDP ${row.udpEvidence}`),
  shrinkTo: 5,
};
const LOSS: Column<StatusRow> = {
  title: "LOSS (95 %)",
  text: (row) => lossText(row.lossRatio, row.lossInterval),
  align: "right",
  isOwn: true,
};
const RTT: Column<StatusRow> = {
  title: "P50/P95/MAX",
  text: ({ rttNs }) => durationsText([rttNs.p50, rttNs.p95, rttNs.max]),
  align: "right",
};
const NODE: Column<StatusRow> = { title: "NODE", text: (row) => row.node, shrinkTo: 8, cut: "middle" };

const P95: Column<StatusRow> = { title: "P95", text: ({ rttNs }) => durationText(rttNs.p95), align: "right" };

interface FittingTable {
  readonly columns: readonly Column<StatusRow>[];
  readonly gapColumns: number;
}

/**
 * The first table that fits: all columns, then less space between them, then without the probe, then one latency
 * instead of three.
 */
function fittingTable(model: StatusModel, rows: readonly StatusRow[], width: number | undefined): FittingTable {
  const since: Column<StatusRow> = { title: "SINCE", text: (row) => sinceText(row, model), align: "right" };
  const node = severalNodes(model) ? [NODE] : [];
  const all = [...node, REQUIREMENT, TARGET, PROBE, VERDICT, CAUSE, LOSS, RTT, since];
  const fewer = [...node, REQUIREMENT, TARGET, VERDICT, CAUSE, LOSS, RTT, since];
  const narrowest = { columns: [...node, REQUIREMENT, TARGET, VERDICT, CAUSE, LOSS, P95, since], gapColumns: 1 };
  const tables: readonly FittingTable[] = [
    { columns: all, gapColumns: 2 },
    { columns: all, gapColumns: 1 },
    { columns: fewer, gapColumns: 1 },
  ];
  const fits = ({ columns, gapColumns }: FittingTable) =>
    width === undefined || narrowestWidth(columns, rows, gapColumns) <= width;
  return tables.find(fits) ?? narrowest;
}

function wideColumns(model: StatusModel): Column<StatusRow>[] {
  const figure = (title: string, text: (row: StatusRow) => string): Column<StatusRow> => ({
    title,
    text,
    align: "right",
    isOwn: true,
  });
  return [
    NODE,
    REQUIREMENT,
    { title: "COUNTS", text: (row) => (row.required ? "required" : row.obligation), isOwn: true },
    TARGET,
    figure("IP", (row) => (row.ipVersion === null ? NONE : String(row.ipVersion))),
    PROBE,
    VERDICT,
    { ...CAUSE, text: (row) => row.cause ?? "" },
    UDP_PORT,
    figure("SENT", (row) => String(row.sent)),
    figure("LOST", (row) => String(row.lost)),
    figure("LATE", (row) => String(row.late)),
    figure("SILENT", (row) => String(row.silent)),
    figure("NOT SENT", (row) => String(row.notSent)),
    LOSS,
    ...ONE_WAY_LOSS,
    figure("P50", (row) => durationText(row.rttNs.p50)),
    figure("P95", (row) => durationText(row.rttNs.p95)),
    figure("MAX", (row) => durationText(row.rttNs.max)),
    figure("BY KERNEL", (row) => `${row.rttKernelCount}/${row.rttCount}`),
    { title: "SINCE", text: (row) => wideSince(row, model), isOwn: true },
    { title: "EVIDENCE", text: (row) => row.evidence },
  ];
}

const STATUS_FIELDS: readonly Field<StatusRow>[] = [
  { name: "node", value: (row) => row.node },
  { name: "requirement", value: (row) => row.requirement },
  { name: "required", value: (row) => row.required },
  { name: "target", value: (row) => row.target },
  { name: "probe", value: (row) => row.probe },
  { name: "ipVersion", value: (row) => row.ipVersion },
  { name: "proxy", value: (row) => row.proxy },
  { name: "comparison", value: (row) => row.comparison },
  { name: "verdict", value: (row) => row.verdict },
  { name: "cause", value: (row) => row.cause },
  { name: "udpEvidence", value: (row) => row.udpEvidence },
  { name: "sent", value: (row) => row.sent },
  { name: "lost", value: (row) => row.lost },
  { name: "late", value: (row) => row.late },
  { name: "silent", value: (row) => row.silent },
  { name: "notSent", value: (row) => row.notSent },
  { name: "lossRatio", value: (row) => row.lossRatio },
  { name: "lossRatioLow", value: (row) => row.lossInterval[0] },
  { name: "lossRatioHigh", value: (row) => row.lossInterval[1] },
  { name: "forwardSent", value: (row) => row.directions?.forwardSent ?? null },
  { name: "forwardLost", value: (row) => row.directions?.forwardLost ?? null },
  { name: "returnSent", value: (row) => row.directions?.returnSent ?? null },
  { name: "returnLost", value: (row) => row.directions?.returnLost ?? null },
  { name: "rttP50Ms", value: (row) => toMs(row.rttNs.p50) },
  { name: "rttP95Ms", value: (row) => toMs(row.rttNs.p95) },
  { name: "rttMaxMs", value: (row) => toMs(row.rttNs.max) },
  { name: "since", value: (row) => isoTime(row.sinceMs) },
  { name: "evidence", value: (row) => row.evidence },
  { name: "nextStep", value: (row) => row.nextStep },
];

/** `6 of 8 required rows met · 1 unmet · 1 unknown · 3 not applicable (--output wide shows them)`. */
function summaryLine({ rows }: StatusModel, wide: boolean): string {
  const count = (keep: (row: StatusRow) => boolean) => rows.filter((row) => !row.comparison && keep(row)).length;
  const applicable = rows.filter(({ required, verdict }) => required && verdict !== "not-applicable");
  const met = applicable.filter(({ verdict }) => verdict === "met").length;
  const parts = [`${met} of ${applicable.length} required ${applicable.length === 1 ? "row" : "rows"} met`];
  for (const verdict of ["degraded", "unmet", "unknown"] as const) {
    const many = count((row) => row.verdict === verdict);
    if (many > 0) parts.push(`${many} ${verdict}`);
  }
  const folded = count(({ verdict }) => verdict === "not-applicable");
  if (folded > 0) parts.push(`${folded} not applicable${wide ? "" : " (--output wide shows them)"}`);
  return parts.join(" · ");
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

function severalNodes({ rows }: StatusModel): boolean {
  return rows.some(({ node }) => node !== rows[0]?.node);
}

/** Two wall times are compared here: an age is a label, no duration is judged by it (M2). */
function sinceText({ sinceMs }: StatusRow, { generatedAtMs }: StatusModel): string {
  return sinceMs === null ? NONE : ageText(generatedAtMs - sinceMs);
}

function wideSince(row: StatusRow, model: StatusModel): string {
  return row.sinceMs === null ? NONE : `${sinceText(row, model)} (${isoTime(row.sinceMs)})`;
}
