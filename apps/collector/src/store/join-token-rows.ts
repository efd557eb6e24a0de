/** Join tokens in the database. Only the digest of a token's secret is kept (S1). */
import type { SQLOutputValue } from "node:sqlite";
import type { IdentityOperations, JoinTokenRecord } from "./identity-record.ts";
import { bytesOf, type Statement } from "./statement.ts";
import type { StorageHours } from "./storage-hours.ts";

/** Most tokens that are kept: beyond it those that ended longest ago make room. */
export const JOIN_TOKENS_MAX = 1_000;

/** A token as it is stored. */
interface StoredJoinToken {
  readonly token: JoinTokenRecord;
  readonly secretSha256: Uint8Array;
}

/** Whether a token can still be used at a time. */
const IS_LIVE = "(revoked_ms IS NULL AND expires_ms > ? AND uses < uses_max)";

/** When a token ended; one that is used up, at the latest when it expires. */
const ENDED_MS = "min(expires_ms, coalesce(revoked_ms, expires_ms))";

export class JoinTokenRows {
  readonly #statement: Statement;
  readonly #hours: StorageHours;

  constructor(statement: Statement, hours: StorageHours) {
    this.#statement = statement;
    this.#hours = hours;
  }

  find(id: string): StoredJoinToken | undefined {
    const row = this.#statement("SELECT * FROM join_tokens WHERE id = ?").get(id);
    return row && { token: tokenOf(row), secretSha256: bytesOf(row.secret_sha256) };
  }

  create({ token, secretSha256 }: IdentityOperations["createJoinToken"]["input"]): "created" | "too-many" {
    const { id, note, nodePattern, createdAtMs, expiresAtMs, usesMax, isEphemeral } = token;
    const { kept, alive } = this.#statement(
      `SELECT count(*) AS kept, count(*) FILTER (WHERE ${IS_LIVE}) AS alive FROM join_tokens`,
    ).get(createdAtMs) ?? { kept: 0, alive: 0 };
    if (Number(alive) >= JOIN_TOKENS_MAX) return "too-many";
    this.#statement(
      `DELETE FROM join_tokens WHERE id IN (
         SELECT id FROM join_tokens WHERE NOT ${IS_LIVE} ORDER BY ${ENDED_MS}, id LIMIT max(0, ?))`,
    ).run(createdAtMs, Number(kept) - JOIN_TOKENS_MAX + 1);
    this.#statement(
      `INSERT INTO join_tokens (id, hour, secret_sha256, note, node_pattern, created_ms, expires_ms, uses_max, uses, is_ephemeral)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?)`,
    ).run(
      id,
      this.#hours.current(),
      secretSha256,
      note,
      nodePattern,
      createdAtMs,
      expiresAtMs,
      usesMax,
      Number(isEphemeral),
    );
    return "created";
  }

  /** One use more. */
  spend(id: string): void {
    this.#statement("UPDATE join_tokens SET uses = uses + 1 WHERE id = ?").run(id);
  }

  /** The latest first. */
  list(limit: number): JoinTokenRecord[] {
    return this.#statement("SELECT * FROM join_tokens ORDER BY created_ms DESC, id LIMIT ?").all(limit).map(tokenOf);
  }

  /** Undefined: there is no such token. One that was revoked before keeps its date. */
  revoke(id: string, nowMs: number): JoinTokenRecord | undefined {
    const sql = "UPDATE join_tokens SET revoked_ms = coalesce(revoked_ms, ?), hour = ? WHERE id = ?";
    this.#statement(sql).run(nowMs, this.#hours.current(), id);
    return this.find(id)?.token;
  }

  /** Deletes tokens that were created or revoked, and have ended, before that time; gives how many. */
  prune(endedBeforeMs: number): number {
    const { changes } = this.#statement(`DELETE FROM join_tokens WHERE ${ENDED_MS} < ? AND hour <= ?`).run(
      endedBeforeMs,
      this.#hours.lastBefore(endedBeforeMs),
    );
    return Number(changes);
  }
}

function tokenOf(row: Readonly<Record<string, SQLOutputValue>>): JoinTokenRecord {
  return {
    id: String(row.id),
    note: String(row.note),
    nodePattern: String(row.node_pattern),
    createdAtMs: Number(row.created_ms),
    expiresAtMs: Number(row.expires_ms),
    usesMax: Number(row.uses_max),
    uses: Number(row.uses),
    revokedAtMs: row.revoked_ms === null ? undefined : Number(row.revoked_ms),
    isEphemeral: Number(row.is_ephemeral) !== 0,
  };
}
