/** The result as text. */
import { textTable } from "@lifeline/harness";
import type { ProcessTrends, SoakResult } from "./soak.ts";
import type { Trend } from "./trend.ts";

const FIGURES: readonly (readonly [keyof ProcessTrends, string])[] = [
  ["rssMb", "RSS, MB"],
  ["pssMb", "PSS, MB"],
  ["anonymousMb", "anonymous, MB"],
  ["descriptors", "descriptors"],
  ["threads", "threads"],
];

/** A table of every figure, and the load. */
export function renderSoak({ seconds, unexpectedExits, load, trends }: SoakResult): string {
  const ofProcess = (name: "agent" | "collector") =>
    FIGURES.map(([figure, title]) => rowOf(`${name}: ${title}`, trends[name][figure]));
  const rows = [...ofProcess("agent"), ...ofProcess("collector"), rowOf("database, MB", trends.databaseMb)];
  const { streams, reports, acknowledged, planChanges, refused, cuts, queries, scrapes, unanswered } = load;
  return [
    textTable([["", "least", "median", "greatest", "an hour", "95 % interval"], ...rows]),
    "",
    `${seconds.toFixed(0)} s: ${streams} streams of simulated nodes, ${reports} reports, ${acknowledged} acknowledged, ${refused} refused;`,
    `${planChanges} plan changes, ${cuts} cuts; ${queries} queries and ${scrapes} scrapes, ${unanswered} unanswered`,
    ...Object.entries(unexpectedExits).map(([name, end]) => `unexpected exit: ${name}: ${end}`),
    "",
  ].join("\n");
}

function rowOf(title: string, trend: Trend | undefined): readonly string[] {
  if (trend === undefined) return [title, "–", "–", "–", "–", "–"];
  const { least, median, greatest, perHour } = trend;
  const grown = perHour === undefined ? "–" : signed(perHour.slope);
  const interval = perHour === undefined ? "–" : `${signed(perHour.low)} to ${signed(perHour.high)}`;
  return [title, least.toFixed(1), median.toFixed(1), greatest.toFixed(1), grown, interval];
}

const signed = (value: number) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)}`;
