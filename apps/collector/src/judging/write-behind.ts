/**
 * Incidents and verdicts that changed and are not yet on disk.
 *
 * 1. One write of a key is under way at a time; what changes meanwhile waits for it, and of two states the newer one stays.
 * 2. What the store refuses is written with the next flush, unless it is newer by then.
 * 3. Incidents are bounded (S2); verdicts are as many as nodes.
 */
import { type Incident, type RowVerdict, rowKey } from "@lifeline/verdict";
import type { IncidentRecord, NoNode, VerdictRecord } from "../store/record.ts";
import type { Store } from "../store/store.ts";

/** Most incident records waiting for the store; beyond it the oldest go, counted (S2). */
const MAX_UNSAVED = 10_000;

/** What the owner hears. */
export interface UnsavedEvents {
  onOverflow(what: "unsaved-incidents"): void;
  /** The store does not know the node; what belonged to it is dropped. */
  onOrphan(): void;
}

export interface Unsaved {
  addIncident(nodeId: string, incident: Incident): void;
  addVerdicts(nodeId: string, rows: readonly RowVerdict[]): void;
  /** Writes what waits; resolves when nothing is under way that was so before, and what waited for it has been tried. */
  flush(): Promise<void>;
}

export function createUnsaved(store: Pick<Store, "submit">, { onOverflow, onOrphan }: UnsavedEvents): Unsaved {
  const incidents = createLane<IncidentRecord>((record) => store.submit("saveIncident", record), onOrphan);
  const verdicts = createLane<readonly RowVerdict[]>((rows, nodeId) => {
    return store.submit("saveVerdicts", { nodeId, verdicts: rows.map(recordOf) });
  }, onOrphan);
  return {
    addIncident(nodeId, incident) {
      const { changes, ...plain } = incident;
      const key = `${nodeId} ${incident.targetId} ${incident.startedAtMs}`;
      incidents.waiting.set(key, { ...plain, nodeId, changesJson: JSON.stringify(changes) });
      const oldest = incidents.waiting.keys().next();
      if (incidents.waiting.size <= MAX_UNSAVED || oldest.done) return;
      incidents.waiting.delete(oldest.value);
      onOverflow("unsaved-incidents");
    },
    addVerdicts: (nodeId, rows) => verdicts.waiting.set(nodeId, rows),
    async flush() {
      await Promise.all([incidents.flush(), verdicts.flush()]);
    },
  };
}

function recordOf(row: RowVerdict): VerdictRecord {
  const { verdict, sinceMs, cause, onsetMs, evidence, nextStep } = row;
  const isFault = verdict === "unmet" || verdict === "degraded";
  return { rowKey: rowKey(row), verdict, sinceMs, fault: isFault ? { cause, onsetMs, evidence, nextStep } : undefined };
}

interface Lane<V> {
  readonly waiting: Map<string, V>;
  flush(): Promise<unknown>;
}

function createLane<V>(save: (value: V, key: string) => Promise<"saved" | NoNode>, onOrphan: () => void): Lane<V> {
  const waiting = new Map<string, V>();
  const underWay = new Map<string, Promise<void>>();
  const write = async (key: string, value: V): Promise<void> => {
    waiting.delete(key);
    const result = await save(value, key).catch(() => "failed" as const);
    underWay.delete(key);
    if (result === "no-node") onOrphan();
    // The store's owner counts the failure itself.
    if (result === "failed" && !waiting.has(key)) waiting.set(key, value);
    if (result !== "failed") await begin(key);
  };
  /** Writes what waits under the key, unless a write of it is under way: that one sees to it. */
  const begin = (key: string): Promise<void> | undefined => {
    const value = waiting.get(key);
    if (value === undefined || underWay.has(key)) return underWay.get(key);
    const writing = write(key, value);
    underWay.set(key, writing);
    return writing;
  };
  return {
    waiting,
    flush: () => Promise.all([...new Set([...underWay.keys(), ...waiting.keys()])].map(begin)),
  };
}
