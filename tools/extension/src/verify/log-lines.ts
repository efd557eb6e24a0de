/** Lines that a container prints, held against what Talos parses and against what an idle agent may print. */

/** A line of standard output. */
export interface Line {
  readonly text: string;
  /** The JSON object that it is; undefined when it is none. */
  readonly value: Readonly<Record<string, unknown>> | undefined;
  readonly atNs: number;
}

/** Reads a line. */
export function lineOf(text: string): Omit<Line, "atNs"> {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return { text, value: isObject ? (value as Readonly<Record<string, unknown>>) : undefined };
  } catch {
    return { text, value: undefined };
  }
}

/** Lines that an idle agent may print at its start: that it started, and what it lacks. */
const FIRST_LINES = 3;

/** After that it may print one hint in this time, ms. */
const HINT_EVERY_MS = 60_000;

/**
 * The lines that Talos's log parser cannot read (machined: runtime/logging): it wants an object with msg, level and
 * time.
 */
export function malformedLines(lines: readonly Line[]): readonly string[] {
  return lines
    .filter(({ value }) => {
      const time = value?.["time"];
      const isTime = typeof time === "number" || (typeof time === "string" && !Number.isNaN(Date.parse(time)));
      return typeof value?.["msg"] !== "string" || typeof value["level"] !== "string" || !isTime;
    })
    .map(({ text }) => text.slice(0, 200));
}

/** Most lines that an idle agent may have printed this long after its start. */
export function idleLinesMax(afterMs: number): number {
  return FIRST_LINES + Math.floor(afterMs / HINT_EVERY_MS);
}

/** Whether an agent logs here, at debug, that it has kept a report on its disk. */
export function isReportKept({ value }: Line): boolean {
  return value?.["msg"] === "report kept" && value["where"] === "disk";
}

/** The reports that are kept by the lines: boot → sequences. */
export function keptReports(lines: readonly Line[]): ReadonlyMap<string, ReadonlySet<number>> {
  const kept = new Map<string, Set<number>>();
  for (const { value } of lines.filter(isReportKept)) {
    const [bootId, sequence] = [String(value?.["bootId"]), Number(value?.["sequence"])];
    kept.set(bootId, (kept.get(bootId) ?? new Set()).add(sequence));
  }
  return kept;
}

/** How many reports these are. */
export function countOf(kept: ReturnType<typeof keptReports>): number {
  return [...kept.values()].reduce((sum, { size }) => sum + size, 0);
}
