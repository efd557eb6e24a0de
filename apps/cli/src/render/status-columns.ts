/** The columns of the status table, and the fields of its CSV. */
import { isoTime } from "../collector/wire-time.ts";
import type { Field } from "./csv.ts";
import { VERDICT_LOOKS } from "./paint.ts";
import type { StatusModel, StatusRow } from "./status-row.ts";
import { type Column, narrowestWidth } from "./table.ts";
import { ONE_WAY_LOSS, targetText, UDP_PORT } from "./tunnel.ts";
import { ageText, durationsText, durationText, failText, lossText, NONE, ratioText, toMs } from "./units.ts";

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
const FAIL: Column<StatusRow> = {
  title: "FAIL",
  text: ({ failed, ended }) => failText(failed, ended),
  align: "right",
  isOwn: true,
};
const LOSS: Column<StatusRow> = {
  title: "LOSS (95 %)",
  text: (row) => lossText(row.lossRatio, row.lossInterval),
  align: "right",
  isOwn: true,
};
const LOSS_ALONE: Column<StatusRow> = {
  title: "LOSS",
  text: ({ lossRatio }) => ratioText(lossRatio),
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

/** Columns of a table, and the spaces between them. */
export interface FittingTable {
  readonly columns: readonly Column<StatusRow>[];
  readonly gapColumns: number;
}

/**
 * The first table that fits: all columns, then less space between them, then loss without its interval and one latency
 * instead of three, then no latency. Rows of one endpoint differ by their probe alone, so no table leaves it out.
 */
export function fittingTable(model: StatusModel, rows: readonly StatusRow[], width: number | undefined): FittingTable {
  const since: Column<StatusRow> = { title: "SINCE", text: (row) => sinceText(row, model), align: "right" };
  const node = severalNodes(model) ? [NODE] : [];
  const withFigures = (...figures: Column<StatusRow>[]) => [
    ...node,
    REQUIREMENT,
    TARGET,
    PROBE,
    VERDICT,
    CAUSE,
    FAIL,
    ...figures,
    since,
  ];
  const all = withFigures(LOSS, RTT);
  const narrowest = { columns: withFigures(LOSS_ALONE), gapColumns: 1 };
  const tables: readonly FittingTable[] = [
    { columns: all, gapColumns: 2 },
    { columns: all, gapColumns: 1 },
    { columns: withFigures(LOSS_ALONE, P95), gapColumns: 1 },
  ];
  const fits = ({ columns, gapColumns }: FittingTable) =>
    width === undefined || narrowestWidth(columns, rows, gapColumns) <= width;
  return tables.find(fits) ?? narrowest;
}

/** The columns of `wide` and Markdown. */
export function wideColumns(model: StatusModel): Column<StatusRow>[] {
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
    FAIL,
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

/** The fields of CSV; names and units as in the JSON. */
export const STATUS_FIELDS: readonly Field<StatusRow>[] = [
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
  { name: "ended", value: (row) => row.ended },
  { name: "failed", value: (row) => row.failed },
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

/** Whether the rows are of more than one node. */
export function severalNodes({ rows }: StatusModel): boolean {
  return rows.some(({ node }) => node !== rows[0]?.node);
}

/** Two wall times are compared here: an age is a label, no duration is judged by it (M2). */
function sinceText({ sinceMs }: StatusRow, { generatedAtMs }: StatusModel): string {
  return sinceMs === null ? NONE : ageText(generatedAtMs - sinceMs);
}

function wideSince(row: StatusRow, model: StatusModel): string {
  return row.sinceMs === null ? NONE : `${sinceText(row, model)} (${isoTime(row.sinceMs)})`;
}
