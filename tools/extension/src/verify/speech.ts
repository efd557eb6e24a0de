/** What a container says, held against what Talos parses and what an idle program may say. */
import type { Line } from "./container.ts";

/** Lines that an idle agent may print in its first moments: that it started, and what it would need. */
const FIRST_LINES = 3;

/** One hint a minute after that, ms. */
const HINT_EVERY_MS = 60_000;

/** What is wrong with the lines, in words, for Talos's log parser (machined: runtime/logging): each an object with msg, level and time. */
export function malformedLines(lines: readonly Line[]): readonly string[] {
  return lines
    .filter(({ value }) => {
      const time = value?.["time"];
      const isTime = typeof time === "number" || (typeof time === "string" && !Number.isNaN(Date.parse(time)));
      return typeof value?.["msg"] !== "string" || typeof value["level"] !== "string" || !isTime;
    })
    .map(({ text }) => text.slice(0, 200));
}

/** Most lines an idle program may have printed so long after its start. */
export function idleLinesMax(afterMs: number): number {
  return FIRST_LINES + Math.floor(afterMs / HINT_EVERY_MS);
}

/** The reports that an agent has said, at debug, to have kept on its disk: boot → sequences. */
export function keptReports(lines: readonly Line[]): ReadonlyMap<string, ReadonlySet<number>> {
  const kept = new Map<string, Set<number>>();
  for (const { value } of lines) {
    if (value?.["msg"] !== "report kept" || value["where"] !== "disk") continue;
    const [bootId, sequence] = [String(value["bootId"]), Number(value["sequence"])];
    kept.set(bootId, (kept.get(bootId) ?? new Set()).add(sequence));
  }
  return kept;
}
