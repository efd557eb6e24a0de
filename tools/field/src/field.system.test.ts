/** Every field case, as `npm run field` plays it: `lifeline check` and the collector say what they must. */
import { canRunFleet } from "@lifeline/lab";
import { systemClock } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { FIELD_CASES } from "./field-cases.ts";
import { runCase } from "./field-run.ts";

/** For a case that hangs, ms. It takes some twenty seconds, and two minutes where its rows do not become right. */
const CASE_MAX_MS = 4 * 60_000;

const able = await canRunFleet();
const mustRun = process.env["CI"] === "true";
if (able !== true && !mustRun) process.stdout.write(`the field cases are skipped: ${able}\n`);

describe.skipIf(able !== true && !mustRun)("says of a site's fault what it is, by check and by agent", () => {
  it.concurrent.for(FIELD_CASES)("$name", { timeout: CASE_MAX_MS }, async (one, { signal }) => {
    const { right, ...said } = await runCase(one, systemClock, signal);
    expect(right, JSON.stringify(said, null, 2)).toBe(true);
  });
});
