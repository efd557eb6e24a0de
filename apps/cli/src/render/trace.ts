/** The steps of one attempt: a short line each, with the time since its start. */
import { NS_PER_MS, visibleText } from "@lifeline/measure";
import type { Trace, TraceStep } from "../check/trace.ts";
import { exitCodeOf } from "../exit-code.ts";
import { csvText, type Field } from "./csv.ts";
import { markdownLines } from "./markdown.ts";
import { paint } from "./paint.ts";
import type { Column } from "./table.ts";
import { toMs } from "./units.ts";
import type { View } from "./view.ts";

const FIELDS: readonly Field<TraceStep>[] = [
  { name: "atMs", value: ({ atNs }) => toMs(atNs) },
  { name: "step", value: ({ kind }) => kind },
  { name: "text", value: ({ text }) => text },
];

const COLUMNS: readonly Column<TraceStep>[] = [
  { title: "TIME", text: timeText, align: "right", isOwn: true },
  { title: "STEP", text: ({ kind }) => kind, isOwn: true },
  { title: "TEXT", text: ({ text }) => text },
];

/** Columns of the longest time within a minute, `+59999.9 ms`, and of the longest step. */
const TIME_COLUMNS = 11;
const KIND_COLUMNS = 7;

/** The view of a trace. Its exit code is that of the row's verdict. */
export function traceView({ steps, model }: Trace): View {
  return {
    exitCode: exitCodeOf(model),
    text: ({ color }) => steps.map((step) => `${lineOf(step, color)}\n`).join(""),
    json: () => steps.map(({ atNs, kind, text }) => ({ atMs: toMs(atNs), step: kind, text })),
    csv: () => csvText(FIELDS, steps),
    markdown: () => `${markdownLines(COLUMNS, steps).join("\n")}\n`,
  };
}

function lineOf(step: TraceStep, color: boolean): string {
  const kind = paint(step.kind.padEnd(KIND_COLUMNS), "strong", color);
  return `${paint(timeText(step).padStart(TIME_COLUMNS), "faint", color)}  ${kind}  ${visibleText(step.text)}`;
}

function timeText({ atNs }: TraceStep): string {
  return `+${(atNs / NS_PER_MS).toFixed(1)} ms`;
}
