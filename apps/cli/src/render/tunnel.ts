/** What rows of the tunnel have beside a verdict: the evidence of the SideroLink port, and loss by direction. */
import type { StatusRow } from "./status-row.ts";
import { type Column, type TableLayout, tableLines } from "./table.ts";
import { lostText, NONE } from "./units.ts";

/** What is known of the SideroLink UDP port. */
export const UDP_PORT: Column<StatusRow> = { title: "UDP PORT", text: ({ udpEvidence }) => udpEvidence ?? NONE };

/** Packets lost of those sent, each way; an em dash where they are not numbered. */
export const ONE_WAY_LOSS: readonly Column<StatusRow>[] = [
  { title: "LOST FORWARD", text: (row) => lostOf(row, "forwardLost", "forwardSent"), align: "right", isOwn: true },
  { title: "LOST ON RETURN", text: (row) => lostOf(row, "returnLost", "returnSent"), align: "right", isOwn: true },
];

/** The target, its proxy, and whether the row is only for comparison, which is not counted. */
export function targetText({ target, proxy, comparison }: Pick<StatusRow, "target" | "proxy" | "comparison">): string {
  if (target === null) return NONE;
  const via = proxy === null ? "" : ` via ${proxy}`;
  return `${target}${via}${comparison ? " (compared)" : ""}`;
}

/** A table of the rows that have either; no line when none has. */
export function tunnelLines(rows: readonly StatusRow[], layout: TableLayout): readonly string[] {
  const shown = rows.filter(
    ({ udpEvidence, directions, verdict }) =>
      verdict !== "not-applicable" && (udpEvidence !== null || directions !== null),
  );
  if (shown.length === 0) return [];
  const columns: readonly Column<StatusRow>[] = [
    { title: "REQUIREMENT", text: (row) => row.requirement, shrinkTo: 11 },
    { title: "TARGET", text: targetText, shrinkTo: 10, cut: "middle" },
    { title: "PROBE", text: (row) => row.probe ?? NONE },
    UDP_PORT,
    ...ONE_WAY_LOSS,
  ];
  return tableLines(columns, shown, layout);
}

type Counter = "forwardLost" | "forwardSent" | "returnLost" | "returnSent";

function lostOf({ directions }: StatusRow, lost: Counter, sent: Counter): string {
  return directions === null ? NONE : lostText(directions[lost], directions[sent]);
}
