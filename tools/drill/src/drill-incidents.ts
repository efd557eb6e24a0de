/** What the collector keeps of a drill: the incidents that began with its fault, and their causes once they ended. */
import type { StatusRow } from "@lifeline/cli";
import type { LabIncident } from "./collector-observer.ts";
import type { FaultDrill } from "./fault-drill.ts";

/** The incidents of one fault. */
export interface DrillIncidents {
  /** Cause of the ended incident at the row that must report the fault; `null`: there is none. */
  readonly closedCause: string | null;
  /** The most incidents that one row has of the fault: 1, where each outage is one incident. */
  readonly incidents: number;
  /** Ended or open incidents with a cause that is neither the fault's nor the row's own during the fault. */
  readonly others: readonly string[];
}

/**
 * Reads the incidents that began with the fault. Pure. `standing` are the node's rows while the fault stood, `followed`
 * those that followed from another row then or while the fault cleared: a slow row may fail only then.
 */
export function drillIncidents(
  begun: readonly LabIncident[],
  standing: readonly StatusRow[],
  followed: readonly StatusRow[],
  drill: FaultDrill,
): DrillIncidents {
  const rows = new Map(standing.map((row) => [row.targetId, row]));
  const isExpectedRow = ({ targetId, requirement }: LabIncident) =>
    requirement === drill.expected.requirement && matchesProbe(rows.get(targetId), drill);
  const isAllowed = ({ cause }: LabIncident) => isAllowedCause(cause, drill);
  /** A symptom keeps the cause with which its row followed from another. */
  const isSymptom = (one: LabIncident) =>
    followed.some(({ targetId, cause }) => targetId === one.targetId && cause === one.cause);
  const ended = begun.filter((one) => isExpectedRow(one) && !one.isOpen);
  const counts = new Map<string, number>();
  for (const { targetId } of begun) counts.set(targetId, (counts.get(targetId) ?? 0) + 1);
  return {
    closedCause: chosenCause(
      ended.map(({ cause }) => cause),
      drill,
    ),
    incidents: Math.max(0, ...counts.values()),
    others: begun
      .filter((one) => !isAllowed(one) && !isSymptom(one))
      .map(({ targetId, requirement, cause }) => {
        const row = rows.get(targetId);
        return `incident ${requirement} ${row?.probe ?? ""} ${row?.target ?? ""}: ${cause}`;
      }),
  };
}

/** The expected cause where an incident has it; otherwise the causes that there are. */
function chosenCause(causes: readonly string[], { expected: { cause } }: FaultDrill): string | null {
  if (causes.includes(cause)) return cause;
  return [...new Set(causes)].join(", ") || null;
}

/** Whether the drill's fault may be reported with that cause. */
export function isAllowedCause(cause: string | null, { expected, besides = [] }: FaultDrill): boolean {
  return [expected.cause, ...besides].some((one) => one === cause);
}

function matchesProbe(row: StatusRow | undefined, { expected: { probe } }: FaultDrill): boolean {
  return probe === undefined || row?.probe === probe;
}
