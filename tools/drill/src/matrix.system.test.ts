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
import type { FaultDrill } from "./fault-drill.ts";
import { FAULT_DRILLS } from "./fault-drills.ts";
import { isNamed, MATRIX_NODES, type MatrixRow, runMatrix } from "./matrix.ts";
import { matrixText } from "./matrix-table.ts";
import { openTestBed, type TestBed } from "./test-bed.ts";

/** For a matrix that hangs, ms. It takes some six minutes, and two more for each drill that is played again. */
const MATRIX_MAX_MS = 25 * 60_000;

/**
 * Most drills that are played again. The machine may be busy, and drills follow one another faster than faults do. So a
 * drill that is wrong beside others is played once more, alone and after a calm minute. What is wrong twice is wrong.
 */
const AGAIN_MAX = 6;

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
        const play = (drills: readonly FaultDrill[]) => runMatrix(testBed, drills, systemClock, signal, () => {});
        const wrongOf = (rows: readonly MatrixRow[]) => rows.filter((row) => !isRight(row));
        const rows = await play(FAULT_DRILLS);
        process.stdout.write(matrixText(rows, FAULT_DRILLS, undefined));
        expect(rows.map(({ fault }) => fault)).toEqual(FAULT_DRILLS.map(({ name }) => name));
        const wrong = wrongOf(rows);
        process.stdout.write(`wrong beside others: ${JSON.stringify(wrong, null, 2)}\n`);
        expect(wrong.length).toBeLessThanOrEqual(AGAIN_MAX);
        const wrongTwice: MatrixRow[] = [];
        for (const { fault } of wrong) wrongTwice.push(...wrongOf(await play(alone(fault))));
        expect(wrongTwice).toEqual([]);
      }),
    MATRIX_MAX_MS,
  );
});

/** The drill by that name, after a calm minute. */
function alone(fault: string): readonly FaultDrill[] {
  return FAULT_DRILLS.filter(({ name }) => name === fault).map((drill) => ({ ...drill, settled: true }));
}

function isRight(row: MatrixRow): boolean {
  const drill = FAULT_DRILLS.find(({ name }) => name === row.fault);
  return drill !== undefined && isNamed(row, drill);
}
