/** The matrix as people and BUDGETS.md read it. */
import { type Column, tableLines } from "@lifeline/cli";
import type { FaultDrill } from "./fault-drill.ts";
import { isAsExpected, type MatrixRow } from "./matrix.ts";

/** The matrix as a table that ends with a count; `width` in columns, undefined: as wide as it is. */
export function matrixText(
  rows: readonly MatrixRow[],
  drills: readonly FaultDrill[],
  width: number | undefined,
): string {
  const lines = tableLines(COLUMNS, rows, { color: false, width });
  const right = rows.filter((row) => drills.some((drill) => drill.name === row.fault && isAsExpected(row, drill)));
  return `${[...lines, "", `${right.length} of ${rows.length} faults named right and in time`].join("\n")}\n`;
}

const NONE = "–";

const COLUMNS: readonly Column<MatrixRow>[] = [
  { title: "FAULT", text: ({ fault }) => fault },
  { title: "EXPECTED CAUSE", text: ({ expectedCause }) => expectedCause },
  { title: "REPORTED CAUSE", text: ({ reportedCause }) => reportedCause ?? NONE },
  { title: "CAUSE ONCE CLOSED", text: ({ closedCause }) => closedCause ?? NONE },
  { title: "INCIDENTS", text: ({ incidents }) => String(incidents), align: "right" },
  { title: "ALSO", text: ({ otherFaults, otherIncidents }) => [...otherFaults, ...otherIncidents].join(", ") },
  { title: "WHILE IT CLEARED", text: ({ whileClearing }) => whileClearing.join(", ") },
  { title: "DETECT", text: ({ detectMs }) => seconds(detectMs), align: "right" },
  { title: "CLEAR", text: ({ clearMs }) => seconds(clearMs), align: "right" },
];

function seconds(ms: number | null): string {
  return ms === null ? NONE : `${(ms / 1_000).toFixed(1)} s`;
}
