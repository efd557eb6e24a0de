/**
 * Incidents and verdicts that changed and are not yet on disk. Incidents are bounded (S2); verdicts are as many as
 * nodes.
 */
import { type Incident, type RowVerdict, rowKey } from "@lifeline/verdict";
import type { IncidentRecord, VerdictRecord } from "../store/record.ts";
import type { Store } from "../store/store.ts";
import { KeyedWriter } from "./keyed-writer.ts";

/** Most incident records that wait for the store; beyond it the oldest go, counted (S2). */
const MAX_WAITING_INCIDENTS = 10_000;

export interface WriteBehindEvents {
  onOverflow(what: "write-behind-incidents"): void;
  /** The store does not know the node; its value is dropped. */
  onOrphan(): void;
}

/** Writes verdicts and incidents after they were judged. */
export class WriteBehind {
  readonly #events: WriteBehindEvents;
  readonly #incidents: KeyedWriter<IncidentRecord>;
  readonly #verdicts: KeyedWriter<readonly RowVerdict[]>;

  constructor(store: Pick<Store, "submit">, events: WriteBehindEvents) {
    this.#events = events;
    const onOrphan = () => events.onOrphan();
    this.#incidents = new KeyedWriter((record) => store.submit("saveIncident", record), onOrphan);
    this.#verdicts = new KeyedWriter(
      (rows, nodeId) => store.submit("saveVerdicts", { nodeId, verdicts: rows.map(recordOf) }),
      onOrphan,
    );
  }

  /** Replaces an earlier state of the same incident that waits. */
  addIncident(nodeId: string, incident: Incident): void {
    const { changes, ...plain } = incident;
    const key = `${nodeId} ${incident.targetId} ${incident.startedAtMs}`;
    this.#incidents.set(key, { ...plain, nodeId, changesJson: JSON.stringify(changes) });
    if (this.#incidents.size <= MAX_WAITING_INCIDENTS) return;
    this.#incidents.dropOldest();
    this.#events.onOverflow("write-behind-incidents");
  }

  /** Stores what an open incident has cost so far. Not while many records wait: the next minute counts it too. */
  addCounts(nodeId: string, incident: Incident): void {
    if (this.#incidents.size < MAX_WAITING_INCIDENTS / 2) this.addIncident(nodeId, incident);
  }

  /** Replaces earlier rows of the node that wait. */
  addVerdicts(nodeId: string, rows: readonly RowVerdict[]): void {
    this.#verdicts.set(nodeId, rows);
  }

  /** Writes what waits; resolves when that, and what was under way before, has been tried. */
  async flush(): Promise<void> {
    await Promise.all([this.#incidents.flush(), this.#verdicts.flush()]);
  }
}

function recordOf(row: RowVerdict): VerdictRecord {
  const { verdict, sinceMs, cause, onsetMs, evidence, nextStep } = row;
  const isFault = verdict === "unmet" || verdict === "degraded";
  return { rowKey: rowKey(row), verdict, sinceMs, fault: isFault ? { cause, onsetMs, evidence, nextStep } : undefined };
}
