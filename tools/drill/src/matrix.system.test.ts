/**
 * A short quiet run, then the fault matrix, as `npm run lab -- --quiet` and `--matrix` run them. Nothing alarms while
 * nothing is broken. Every cause is right, while the fault stands and in the incident that is left of it. No other
 * cause is reported, every recovery is seen, and no agent exits unexpectedly. Times and further incidents are printed
 * and not asserted: a busy machine is slower, and `--matrix` counts both as wrong. BUDGETS.md has the times.
 */
import { canRunFleet } from "@lifeline/lab";
import { systemClock } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { runWithoutFaults } from "./false-alarms.ts";
import { FAULT_DRILLS } from "./fault-drills.ts";
import { isNamed, isShown, MATRIX_NODES, runMatrix } from "./matrix.ts";
import { matrixText } from "./matrix-table.ts";
import { openTestBed, type TestBed } from "./test-bed.ts";

/** A matrix takes some five minutes. */
const MATRIX_MAX_MS = 15 * 60_000;

const QUIET_MAX_MS = 5 * 60_000;

/** One lossy node, one whose tunnel is measured, and the control. */
const QUIET_NODES = 3;

/** Length of the quiet, s, and what goes before it, ms: a new test bed has no faults behind it. */
const QUIET_S = 60;
const SETTLE_MS = 15_000;

const able = await canRunFleet();
const mustRun = process.env["CI"] === "true";
if (able !== true && !mustRun) process.stdout.write(`the fault matrix is skipped: ${able}\n`);

describe.skipIf(able !== true && !mustRun)("the lab's fleet", () => {
  const { signal } = new AbortController();

  /** Does `work` in a test bed of so many nodes, and takes it away. */
  async function inTestBed(nodes: number, work: (testBed: TestBed) => Promise<void>): Promise<void> {
    const testBed = await openTestBed({ clock: systemClock, signal, say: () => {}, nodes });
    try {
      await work(testBed);
      expect(testBed.unexpectedExits()).toEqual([]);
    } finally {
      await testBed.close();
    }
  }

  it(
    "alarms about nothing while 0.1 % of packets are lost",
    () =>
      inTestBed(QUIET_NODES, async (testBed) => {
        const world = { clock: systemClock, interrupt: signal, say: () => {} };
        expect((await runWithoutFaults(testBed, QUIET_S, world, SETTLE_MS)).alarms).toEqual([]);
      }),
    QUIET_MAX_MS,
  );

  it(
    "gives every fault its cause, also once it is over, names no other, and sees its end",
    () =>
      inTestBed(MATRIX_NODES, async (testBed) => {
        const rows = await runMatrix(testBed, FAULT_DRILLS, systemClock, signal, () => {});
        process.stdout.write(matrixText(rows, FAULT_DRILLS, undefined));
        const drills = new Map(FAULT_DRILLS.map((drill) => [drill.name, drill]));
        for (const { name, pendingIncident, pending = pendingIncident } of FAULT_DRILLS) {
          if (pending !== undefined) process.stdout.write(`${name} is not right yet: ${pending}\n`);
        }
        const wrong = rows.filter((row) => {
          const drill = drills.get(row.fault);
          if (drill === undefined) return true;
          if (drill.pending !== undefined) return row.clearMs === null;
          return drill.pendingIncident === undefined ? !isNamed(row, drill) : !isShown(row, drill);
        });
        expect(rows.map(({ fault }) => fault)).toEqual(FAULT_DRILLS.map(({ name }) => name));
        expect(wrong).toEqual([]);
      }),
    MATRIX_MAX_MS,
  );
});
