/** The roll-up result as people read it. Pure. */
import { ratioText, textTable } from "@lifeline/harness";
import type { RollupResult } from "./rollup-bench.ts";

/** Renders the result. */
export function renderRollup(result: RollupResult): string {
  const { targets, hours, reports, cpuUsPerReport, reportsPerStep, stepMs, bytesPerTargetDay, historyMs, ratio } =
    result;
  const whole = (figure: number) => Math.round(figure).toLocaleString("en");
  const { rolled, raw } = historyMs;
  const side = (name: string, { p50, max }: typeof raw, against: string) => [
    name,
    p50.toFixed(1),
    max.toFixed(1),
    against,
  ];
  return [
    `${hours} h of one node with ${targets} targets, ${whole(reports)} reports`,
    "",
    textTable([
      ["", "bytes a target and day"],
      ["reports and their index", whole(bytesPerTargetDay.reports)],
      ["minutes", whole(bytesPerTargetDay.minutes)],
      ["hours", whole(bytesPerTargetDay.hours)],
    ]),
    "",
    `rolling up: ${whole(cpuUsPerReport.rolled)} µs of CPU a report, where storing it took ${whole(cpuUsPerReport.stored)}; a step of ${reportsPerStep}: p50 ${stepMs.p50.toFixed(0)} ms, max ${stepMs.max.toFixed(0)} ms`,
    "",
    textTable([
      ["an hour by the minute", "p50 ms", "max ms", "against the raw scan"],
      side("of roll-ups", rolled, ratioText(ratio)),
      side("of raw reports", raw, ratioText(1)),
    ]),
    "",
    ...result.notes.map((note) => `note: ${note}`),
  ].join("\n");
}
