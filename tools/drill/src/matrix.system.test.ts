/**
 * The fault matrix, as `npm run lab -- --matrix` runs it: every cause is right, while the fault stands and in
 * the incident that is left of it; each fault is one incident; no other cause is reported, every recovery is seen, and
 * no agent exits unexpectedly. Times are printed but not asserted, because a busy machine is
 * slower; BUDGETS.md has them.
 */
import { canRunFleet } from "@lifeline/lab";
import { systemClock } from "@lifeline/measure";
import { expect, it } from "vitest";
import { FAULT_DRILLS } from "./fault-drills.ts";
import { isNamed, MATRIX_NODES, type MatrixRow, runMatrix } from "./matrix.ts";
import { matrixText } from "./matrix-table.ts";
import { openTestBed } from "./test-bed.ts";

/** A matrix takes some four minutes. */
const MATRIX_MAX_MS = 12 * 60_000;

const able = await canRunFleet();
const mustRun = process.env["CI"] === "true";
if (able !== true && !mustRun) process.stdout.write(`the fault matrix is skipped: ${able}\n`);

it.skipIf(able !== true && !mustRun)(
  "gives every fault its cause, names no other, and sees its end",
  async () => {
    const { signal } = new AbortController();
    const testBed = await openTestBed({ clock: systemClock, signal, say: () => {}, nodes: MATRIX_NODES });
    let rows: readonly MatrixRow[] = [];
    let unexpectedExits: readonly string[] = [];
    try {
      rows = await runMatrix(testBed, FAULT_DRILLS, systemClock, signal, () => {});
      unexpectedExits = testBed.unexpectedExits();
    } finally {
      await testBed.close();
    }
    process.stdout.write(matrixText(rows, FAULT_DRILLS, undefined));
    const wrong = rows.filter((row) => !FAULT_DRILLS.some((drill) => drill.name === row.fault && isNamed(row, drill)));
    expect(unexpectedExits).toEqual([]);
    expect(rows.map(({ fault }) => fault)).toEqual(FAULT_DRILLS.map(({ name }) => name));
    expect(wrong).toEqual([]);
  },
  MATRIX_MAX_MS,
);
