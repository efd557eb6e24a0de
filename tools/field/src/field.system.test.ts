/** Every field case, as `npm run field` plays it: `lifeline check` and the collector say what they must. */
import { canRunFleet } from "@lifeline/lab";
import { systemClock } from "@lifeline/measure";
import { expect, it } from "vitest";
import { FIELD_CASES } from "./field-cases.ts";
import { type FieldResult, runField } from "./field-run.ts";

/** The cases take some three minutes. */
const FIELD_MAX_MS = 12 * 60_000;

const able = await canRunFleet();
const mustRun = process.env["CI"] === "true";
if (able !== true && !mustRun) process.stdout.write(`the field cases are skipped: ${able}\n`);

it.skipIf(able !== true && !mustRun)(
  "says of every site's fault what it is, by check and by agent",
  async () => {
    const results: readonly FieldResult[] = await runField(
      FIELD_CASES,
      systemClock,
      new AbortController().signal,
      () => {},
    );
    expect(results.map((result) => result.case)).toEqual(FIELD_CASES.map(({ name }) => name));
    expect(results.filter(({ right }) => !right)).toEqual([]);
  },
  FIELD_MAX_MS,
);
