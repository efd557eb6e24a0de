/** What was reported beside what must be. Pure. */
import { matchesPattern } from "@lifeline/catalogue";
import type { StatusRowJson } from "@lifeline/cli";
import type { ExpectedRow } from "./field-case.ts";

/** Rows that an expectation is about; comparisons never count. */
function rowsOf(rows: readonly StatusRowJson[], { requirement, target, probe }: ExpectedRow): readonly StatusRowJson[] {
  return rows.filter(
    (row) =>
      !row.comparison &&
      matchesPattern(requirement, row.requirement) &&
      (target === undefined || row.target?.startsWith(target) === true) &&
      (probe === undefined || row.probe === probe),
  );
}

/** Whether every expectation has rows, and all of them are as expected. */
export function isRight(rows: readonly StatusRowJson[], expected: readonly ExpectedRow[]): boolean {
  return expected.every((one) => {
    const found = rowsOf(rows, one);
    return found.length > 0 && found.every((row) => isAsExpected(row, one));
  });
}

function isAsExpected(row: StatusRowJson, { verdict, cause, owner, names }: ExpectedRow): boolean {
  const said = `${row.evidence} ${row.nextStep ?? ""}`;
  return (
    row.verdict === verdict &&
    (cause === undefined || row.cause === cause) &&
    (owner === undefined || ownerOf(row).toLowerCase().includes(owner.toLowerCase())) &&
    (names === undefined || said.includes(names))
  );
}

/** Who must act, by the first sentence of the next step. */
function ownerOf({ nextStep }: StatusRowJson): string {
  return nextStep?.split(":", 1)[0] ?? "";
}

/** An expectation in one line. */
export function expectedText({
  requirement,
  target = "",
  probe = "",
  verdict,
  cause,
  owner,
  names,
}: ExpectedRow): string {
  const more = [cause, owner, names].filter((word) => word !== undefined);
  return [`${rowText(requirement, probe, target)}: ${verdict}`, ...more].join(", ");
}

function rowText(...words: readonly (string | null)[]): string {
  return words.filter((word) => word !== null && word !== "").join(" ");
}

/** The rows that the expectations are about, each in one line; those that are met, without their evidence. */
export function reportedTexts(rows: readonly StatusRowJson[], expected: readonly ExpectedRow[]): readonly string[] {
  const chosen = new Set(expected.flatMap((one) => rowsOf(rows, one)));
  return [...chosen].map((row) => {
    const { requirement, probe, target, verdict, cause, evidence, nextStep } = row;
    const told = `${rowText(requirement, probe, target)}: ${verdict}`;
    return verdict === "met" ? told : `${told}, ${cause}: ${evidence} → ${nextStep}`;
  });
}
