/**
 * The fault matrix, as `npm run lab -- --matrix` runs it: every cause right, no other named, every end seen, and no agent dead. Times are
 * printed, and kept in BUDGETS.md: a machine that builds something else meanwhile may be slower.
 */
import { canRunFleet } from "@lifeline/lab";
import { systemClock } from "@lifeline/measure";
import { expect, it } from "vitest";
import { DRILLS } from "./drills.ts";
import { type MatrixRow, runMatrix } from "./matrix.ts";
import { openScene } from "./scene.ts";
import { matrixText } from "./table.ts";

/** A matrix takes some four minutes. */
const MATRIX_MAX_MS = 12 * 60_000;

const able = await canRunFleet();
const mustRun = process.env["CI"] === "true";
if (able !== true && !mustRun) process.stdout.write(`the fault matrix is skipped: ${able}\n`);

it.skipIf(able !== true && !mustRun)(
  "gives every fault its cause, names no other, and sees its end",
  async () => {
    const { signal } = new AbortController();
    const scene = await openScene({ clock: systemClock, signal, say: () => {} });
    let rows: readonly MatrixRow[] = [];
    let deaths: readonly string[] = [];
    try {
      rows = await runMatrix(scene, DRILLS, systemClock, signal, () => {});
      deaths = scene.deaths();
    } finally {
      await scene.close();
    }
    process.stdout.write(matrixText(rows, DRILLS, undefined));
    const said = rows.map(({ fault, reportedCause, otherFaults, notCleared }) => {
      return { fault, reportedCause, otherFaults, notCleared };
    });
    const expected = DRILLS.map(({ name, expected: { cause } }) => {
      return { fault: name, reportedCause: cause, otherFaults: [], notCleared: [] };
    });
    expect(deaths).toEqual([]);
    expect(said).toEqual(expected);
  },
  MATRIX_MAX_MS,
);
