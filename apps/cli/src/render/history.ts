/**
 * The history of targets, step by step: a block for each target.
 *
 * 1. A step without a window is not a step without loss: a gap has its own line (M4).
 * 2. The bar shows the 95th percentile relative to the largest of its block.
 */
import { visibleText } from "@lifeline/measure";
import { isoTime } from "../collector/wire-time.ts";
import type { ExitCode } from "../exit-code.ts";
import { csvText, type Field } from "./csv.ts";
import { proseLines } from "./display-width.ts";
import { markdownLines } from "./markdown.ts";
import { paint } from "./paint.ts";
import type { StatusLayout } from "./status.ts";
import { type Column, narrowestWidth, tableLines } from "./table.ts";
import { ageText, durationText, failText, NONE, ratioText, toMs } from "./units.ts";
import type { View } from "./view.ts";

/** One step of one target. Counts as in a verdict's row; null where nothing is known. */
export interface HistoryStep {
  /** Wall time of the node, ms since the epoch. */
  readonly startMs: number;
  readonly ended: number;
  readonly failed: number;
  readonly sent: number;
  readonly lost: number;
  readonly late: number;
  readonly silent: number;
  readonly notSent: number;
  /** lost / (sent − silent), 0–1. */
  readonly lossRatio: number | null;
  readonly rttNs: { readonly p50: number | null; readonly p95: number | null; readonly max: number | null };
}

/** One target's steps, in time; those without a window are left out. */
export interface TargetSteps {
  readonly requirement: string;
  readonly targetId: string;
  readonly steps: readonly HistoryStep[];
}

/** The history of a node. */
export interface HistoryModel {
  readonly node: string;
  readonly generatedAtMs: number;
  readonly stepSeconds: number;
  readonly targets: readonly TargetSteps[];
}

/** The view of a history; nothing is judged by it. */
export function historyView(model: HistoryModel, exitCode: ExitCode): View {
  const { node, generatedAtMs, stepSeconds, targets } = model;
  return {
    exitCode,
    text: (layout) => historyText(model, layout),
    json: () => ({
      generatedAt: isoTime(generatedAtMs),
      node,
      stepSeconds,
      targets: targets.map(({ requirement, targetId, steps }) => ({
        requirement,
        targetId,
        points: steps.map(stepJson),
      })),
    }),
    csv: () => csvText(fieldsOf(model), flatRows(model)),
    markdown: () => `${markdownLines(markdownColumns(stepSeconds), flatRows(model)).join("\n")}\n`,
  };
}

function stepJson({ startMs, rttNs, ...counts }: HistoryStep) {
  return {
    start: isoTime(startMs),
    ...counts,
    rttMs: { p50: toMs(rttNs.p50), p95: toMs(rttNs.p95), max: toMs(rttNs.max) },
  };
}

/** A line of a block: a step, or a gap without data. */
type Line =
  | ({ readonly kind: "step" } & HistoryStep)
  | { readonly kind: "gap"; readonly startMs: number; readonly lastsMs: number };

/** Columns of a bar, at most. */
const BAR_COLUMNS = 20;
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

function historyText(model: HistoryModel, layout: StatusLayout): string {
  const { node, stepSeconds, targets } = model;
  if (targets.length === 0) return `${proseLines(`No history of ${node} in this time.`, undefined)}\n`;
  const { color, wide } = layout;
  const width = wide ? undefined : layout.width;
  const lines = proseLines(
    `${node}, ${ageText(stepSeconds * 1_000)} a line, times are its own clock's in UTC`,
    undefined,
  );
  for (const target of targets) {
    const rows = withGaps(target.steps, stepSeconds * 1_000);
    lines.push("", paint(visibleText(target.targetId.replaceAll("|", " ")), "strong", color) + totalText(target.steps));
    lines.push(...tableLines(columnsFor(rows, stepSeconds, wide, width), rows, { color, width }));
  }
  return `${lines.join("\n")}\n`;
}

function withGaps(steps: readonly HistoryStep[], stepMs: number): readonly Line[] {
  return steps.flatMap((step, at): Line[] => {
    const dueMs = (steps[at - 1]?.startMs ?? step.startMs - stepMs) + stepMs;
    const line: Line = { kind: "step", ...step };
    return step.startMs > dueMs ? [{ kind: "gap", startMs: dueMs, lastsMs: step.startMs - dueMs }, line] : [line];
  });
}

/** `: 12 of 86400 lost (0.014 %)`: over all steps, of those that should have been answered. */
function totalText(steps: readonly HistoryStep[]): string {
  const sum = (figure: "sent" | "lost" | "silent") => steps.reduce((total, step) => total + step[figure], 0);
  const expected = sum("sent") - sum("silent");
  if (expected === 0) return "";
  return `: ${sum("lost")} of ${expected} lost (${ratioText(sum("lost") / expected)})`;
}

function columnsFor(rows: readonly Line[], stepSeconds: number, wide: boolean, width: number | undefined) {
  const figures = figureColumns(stepSeconds, wide);
  const columns: readonly Column<Line>[] = [...figures, barColumn(rows)];
  return width === undefined || narrowestWidth(columns, rows, 2) <= width ? columns : figures;
}

function figureColumns(stepSeconds: number, wide: boolean): readonly Column<Line>[] {
  const more = [figure("LATE", "late"), figure("SILENT", "silent"), figure("NOT SENT", "notSent")];
  return [
    { title: "TIME", text: ({ startMs }) => timeText(startMs, stepSeconds) },
    figure("SENT", "sent"),
    figure("LOST", "lost"),
    ...(wide ? more : []),
    {
      title: "FAIL",
      text: (line) => (line.kind === "gap" ? NONE : failText(line.failed, line.ended)),
      align: "right",
    },
    {
      title: "LOSS",
      text: (line) => (line.kind === "gap" ? NONE : ratioText(line.lossRatio)),
      tone: (line) => (line.kind === "gap" ? "open" : lossTone(line.lossRatio)),
      align: "right",
    },
    duration("P50", "p50"),
    duration("P95", "p95"),
    duration("MAX", "max"),
  ];
}

function lossTone(ratio: number | null) {
  if (ratio === null || ratio === 0) return undefined;
  return ratio === 1 ? "bad" : "warning";
}

function figure(title: string, name: "sent" | "lost" | "late" | "silent" | "notSent"): Column<Line> {
  return { title, text: (line) => (line.kind === "gap" ? NONE : String(line[name])), align: "right" };
}

function duration(title: string, name: keyof HistoryStep["rttNs"]): Column<Line> {
  return { title, text: (line) => (line.kind === "gap" ? NONE : durationText(line.rttNs[name])), align: "right" };
}

function barColumn(rows: readonly Line[]): Column<Line> {
  const p95Of = (line: Line) => (line.kind === "gap" ? null : line.rttNs.p95);
  const mostNs = rows.reduce((most, line) => Math.max(most, p95Of(line) ?? 0), 0);
  return {
    title: mostNs === 0 ? "" : `P95 OF ${durationText(mostNs)}`,
    text: (line) =>
      line.kind === "gap" ? `no data for ${ageText(line.lastsMs)}` : barText((p95Of(line) ?? 0) / mostNs),
    tone: (line) => (line.kind === "gap" ? "open" : "faint"),
  };
}

/** A bar of `share` (0–1) of {@link BAR_COLUMNS}; nothing for no share. */
function barText(share: number): string {
  const eighths = Math.round(share * BAR_COLUMNS * 8) || 0;
  return "█".repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? "");
}

/** `2026-03-01 12:00`, with seconds where steps are shorter than minutes. */
function timeText(startMs: number, stepSeconds: number): string {
  return isoTime(startMs)
    .replace("T", " ")
    .slice(0, stepSeconds < 60 ? 19 : 16);
}

type FlatRow = HistoryStep & Pick<TargetSteps, "requirement" | "targetId">;

function flatRows({ targets }: HistoryModel): readonly FlatRow[] {
  return targets.flatMap(({ requirement, targetId, steps }) =>
    steps.map((step) => ({ ...step, requirement, targetId })),
  );
}

function fieldsOf({ node, stepSeconds }: HistoryModel): readonly Field<FlatRow>[] {
  return [
    { name: "node", value: () => node },
    { name: "requirement", value: (row) => row.requirement },
    { name: "targetId", value: (row) => row.targetId },
    { name: "start", value: (row) => isoTime(row.startMs) },
    { name: "stepSeconds", value: () => stepSeconds },
    { name: "ended", value: (row) => row.ended },
    { name: "failed", value: (row) => row.failed },
    { name: "sent", value: (row) => row.sent },
    { name: "lost", value: (row) => row.lost },
    { name: "late", value: (row) => row.late },
    { name: "silent", value: (row) => row.silent },
    { name: "notSent", value: (row) => row.notSent },
    { name: "lossRatio", value: (row) => row.lossRatio },
    { name: "rttP50Ms", value: (row) => toMs(row.rttNs.p50) },
    { name: "rttP95Ms", value: (row) => toMs(row.rttNs.p95) },
    { name: "rttMaxMs", value: (row) => toMs(row.rttNs.max) },
  ];
}

function markdownColumns(stepSeconds: number): Column<FlatRow>[] {
  const right = (title: string, text: (row: FlatRow) => string): Column<FlatRow> => ({
    title,
    text,
    align: "right",
    isOwn: true,
  });
  return [
    { title: "TARGET", text: (row) => row.targetId.replaceAll("|", " ") },
    { title: "TIME (UTC)", text: (row) => timeText(row.startMs, stepSeconds), isOwn: true },
    right("SENT", (row) => String(row.sent)),
    right("LOST", (row) => String(row.lost)),
    right("FAIL", (row) => failText(row.failed, row.ended)),
    right("LOSS", (row) => ratioText(row.lossRatio)),
    right("P50", (row) => durationText(row.rttNs.p50)),
    right("P95", (row) => durationText(row.rttNs.p95)),
    right("MAX", (row) => durationText(row.rttNs.max)),
  ];
}
