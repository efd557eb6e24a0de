/** Open incidents whose counts are to be stored, although verdict and cause stay. */
import type { Incident, IncidentState } from "@lifeline/verdict";

/**
 * How often the counts of an open incident are stored, ms. A collector that starts again reads the windows of the last
 * two minutes at least (recent-windows.ts), and counts on from there.
 */
const SAVE_EVERY_MS = 60_000;

/** Those whose counts have passed another minute of the incident since the judgement before. */
export function incidentsToCount(before: IncidentState, after: IncidentState): readonly Incident[] {
  return [...after.values()].filter((incident) => {
    const was = before.get(incident.targetId);
    return was?.startedAtMs === incident.startedAtMs && minutesOf(was) !== minutesOf(incident);
  });
}

function minutesOf({ startedAtMs, impact }: Incident): number {
  return Math.floor(Math.max(0, impact.countedToMs - startedAtMs) / SAVE_EVERY_MS);
}
