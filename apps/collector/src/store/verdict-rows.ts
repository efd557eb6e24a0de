/** How each row of a node was judged last, in the database. */
import type { FaultRecord, VerdictRecord } from "./record.ts";
import type { Statement } from "./statement.ts";

export class VerdictRows {
  readonly #statement: Statement;

  constructor(statement: Statement) {
    this.#statement = statement;
  }

  /** Replaces the node's rows, so that those that are no longer in its plan go. */
  save(node: number, verdicts: readonly VerdictRecord[]): "saved" {
    this.#statement("DELETE FROM verdicts WHERE node = ?").run(node);
    const insert = this.#statement(
      `INSERT INTO verdicts (node, row_key, verdict, since_ms, cause, onset_ms, evidence, next_step)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    for (const { rowKey, verdict, sinceMs, fault } of verdicts) {
      const { cause = null, onsetMs = null, evidence = null, nextStep = null } = fault ?? {};
      insert.run(node, rowKey, verdict, sinceMs, cause, onsetMs, evidence, nextStep);
    }
    return "saved";
  }

  list(nodeId: string): VerdictRecord[] {
    return this.#statement("SELECT v.* FROM verdicts v JOIN nodes n ON n.id = v.node WHERE n.node_id = ?")
      .all(nodeId)
      .map((row) => ({
        rowKey: String(row.row_key),
        verdict: String(row.verdict),
        sinceMs: Number(row.since_ms),
        fault: faultOf(row),
      }));
  }
}

function faultOf(row: Readonly<Record<string, unknown>>): FaultRecord | undefined {
  if (row.cause === null) return undefined;
  return {
    cause: String(row.cause),
    onsetMs: Number(row.onset_ms),
    evidence: String(row.evidence),
    nextStep: String(row.next_step),
  };
}
