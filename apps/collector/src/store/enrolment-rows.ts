/** Which key holds which node id, and which keys are refused for good: rows of the database. */
import type { SQLOutputValue } from "node:sqlite";
import type { EnrolmentRecord, IdentityOperations } from "./identity-record.ts";
import { bytesOf, type Statement } from "./statement.ts";
import type { StorageHours } from "./storage-hours.ts";

/** Most nodes that are enrolled or revoked: ten times the fleet a collector serves. */
export const ENROLMENTS_MAX = 100_000;

/**
 * Values of `is_open`: a key holds the id; the id is free for one new key; a key holds it by a row that may be older
 * than what was issued.
 */
const HELD = 0;
const OPEN = 1;
export const DATED = 2;

/** A key that holds its id again. A dated row stays dated, because the key that held the id last may yet come. */
const IS_HELD = `is_open = CASE is_open WHEN ${DATED} THEN ${DATED} ELSE ${HELD} END`;

/** The key of an id that was revoked before any key was known. */
const NO_KEY = new Uint8Array();

/** A key and what it holds an id by. */
interface NewEnrolment {
  readonly nodeId: string;
  readonly key: Uint8Array;
  /** Empty: by its certificate alone. */
  readonly joinTokenId: string;
  readonly enrolledAtMs: number;
  readonly notAfterMs: number;
  readonly isDated: boolean;
  readonly isEphemeral: boolean;
}

export class EnrolmentRows {
  readonly #statement: Statement;
  readonly #hours: StorageHours;

  constructor(statement: Statement, hours: StorageHours) {
    this.#statement = statement;
    this.#hours = hours;
  }

  find(nodeId: string): EnrolmentRecord | undefined {
    const row = this.#statement("SELECT * FROM enrolments WHERE node_id = ?").get(nodeId);
    return row && enrolmentOf(row);
  }

  /** In order of node ids, those after one. */
  list({ nodeId, after, limit }: IdentityOperations["listEnrolments"]["input"]): EnrolmentRecord[] {
    const sql = "SELECT * FROM enrolments WHERE (?1 = '' OR node_id = ?1) AND node_id > ?2 ORDER BY node_id LIMIT ?3";
    return this.#statement(sql).all(nodeId, after, limit).map(enrolmentOf);
  }

  hasRoom(): boolean {
    return Number(this.#statement("SELECT count(*) AS nodes FROM enrolments").get()?.nodes) < ENROLMENTS_MAX;
  }

  /** The id is held by that key from now on, whatever there was before. */
  put({ nodeId, key, joinTokenId, enrolledAtMs, notAfterMs, isDated, isEphemeral }: NewEnrolment): void {
    this.#statement(
      `INSERT INTO enrolments (hour, node_id, key_sha256, join_token_id, enrolled_ms, not_after_ms, renewals, is_open, is_ephemeral,
         refused_claims, last_refused_claim_from) VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, 0, '')
       ON CONFLICT DO UPDATE SET hour = excluded.hour, key_sha256 = excluded.key_sha256, join_token_id = excluded.join_token_id,
         enrolled_ms = excluded.enrolled_ms, not_after_ms = excluded.not_after_ms, renewals = 0, is_open = excluded.is_open,
         is_ephemeral = excluded.is_ephemeral, refused_claims = 0, last_refused_claim_ms = NULL, last_refused_claim_from = ''`,
    ).run(
      this.#hours.current(),
      nodeId,
      key,
      joinTokenId,
      enrolledAtMs,
      notAfterMs,
      isDated ? DATED : HELD,
      Number(isEphemeral),
    );
  }

  /**
   * The key holds the id on, by a token that lets it in again: for as long as the longer-lived of the two would have
   * it.
   */
  extend(nodeId: string, notAfterMs: number, isEphemeral: boolean): void {
    this.#statement(
      `UPDATE enrolments SET not_after_ms = max(not_after_ms, ?), is_ephemeral = min(is_ephemeral, ?), ${IS_HELD} WHERE node_id = ?`,
    ).run(notAfterMs, Number(isEphemeral), nodeId);
  }

  countRenewal(nodeId: string, notAfterMs: number): void {
    this.#statement(
      `UPDATE enrolments SET not_after_ms = max(not_after_ms, ?), renewals = renewals + 1, ${IS_HELD} WHERE node_id = ?`,
    ).run(notAfterMs, nodeId);
  }

  /** The id follows its certificate to another key; nothing else of the row changes. */
  follow(nodeId: string, key: Uint8Array, notAfterMs: number, isEphemeral: boolean): void {
    this.#statement(
      "UPDATE enrolments SET key_sha256 = ?, not_after_ms = max(not_after_ms, ?), is_ephemeral = ? WHERE node_id = ?",
    ).run(key, notAfterMs, Number(isEphemeral), nodeId);
  }

  /** A key whose certificate was issued later takes the place of that of a dated row. */
  supersede(nodeId: string, key: Uint8Array, issuedAtMs: number, notAfterMs: number): void {
    this.#statement(
      `UPDATE enrolments SET key_sha256 = ?, join_token_id = '', enrolled_ms = ?, not_after_ms = ?, renewals = 0, is_ephemeral = 0
       WHERE node_id = ?`,
    ).run(key, issuedAtMs, notAfterMs, nodeId);
  }

  /**
   * The enrolment is of the hour under way if that key holds it. Its age counts from here, whatever the certificate's
   * dates say: they may be of a clock that was behind.
   */
  touch(nodeId: string, key: Uint8Array): void {
    const sql = "UPDATE enrolments SET hour = ? WHERE (node_id, key_sha256) = (?, ?)";
    this.#statement(sql).run(this.#hours.current(), nodeId, key);
  }

  /** Claims of other keys to the id. */
  countRefusedClaims(nodeId: string, claims: number, nowMs: number, from: string): void {
    this.#statement(
      `UPDATE enrolments SET refused_claims = refused_claims + ?, last_refused_claim_ms = ?, last_refused_claim_from = ?
       WHERE node_id = ?`,
    ).run(claims, nowMs, from, nodeId);
  }

  /** Undefined: nothing is known of the id, and there is no room for it. */
  revoke(nodeId: string, nowMs: number): EnrolmentRecord | undefined {
    if (this.find(nodeId) === undefined) {
      if (!this.hasRoom()) return undefined;
      const times = { enrolledAtMs: nowMs, notAfterMs: nowMs };
      this.put({ nodeId, key: NO_KEY, joinTokenId: "", ...times, isDated: false, isEphemeral: false });
    }
    const sql = `UPDATE enrolments SET revoked_ms = coalesce(revoked_ms, ?), is_open = ${HELD} WHERE node_id = ?`;
    this.#statement(sql).run(nowMs, nodeId);
    return this.find(nodeId);
  }

  /** Undefined: no node of that id was ever enrolled or revoked. */
  readmit(nodeId: string): EnrolmentRecord | undefined {
    this.#statement(`UPDATE enrolments SET revoked_ms = NULL, is_open = ${OPEN} WHERE node_id = ?`).run(nodeId);
    return this.find(nodeId);
  }

  /**
   * Deletes at most `limit`, not those that were revoked, that were written and whose last certificate ended before;
   * gives their ids.
   */
  prune(endedBeforeMs: number, limit: number): string[] {
    return this.#statement(
      `DELETE FROM enrolments WHERE node_id IN (
         SELECT node_id FROM enrolments WHERE not_after_ms < ? AND hour <= ? AND revoked_ms IS NULL LIMIT ?) RETURNING node_id`,
    )
      .all(endedBeforeMs, this.#hours.lastBefore(endedBeforeMs), limit)
      .map((row) => String(row.node_id));
  }

  isKeyRevoked(key: Uint8Array): boolean {
    return this.#statement("SELECT 1 FROM revoked_keys WHERE key_sha256 = ?").get(key) !== undefined;
  }

  /**
   * Refuses a key for good. Nothing happens for no key, which is that of an id that was revoked before any was known.
   */
  revokeKey(key: Uint8Array | undefined, nodeId: string, nowMs: number): void {
    if (key === undefined || key.length === 0) return;
    this.#statement("INSERT INTO revoked_keys VALUES (?, ?, ?) ON CONFLICT DO NOTHING").run(key, nodeId, nowMs);
  }

  /** The latest first. */
  listRevokedKeys(limit: number): Uint8Array[] {
    return this.#statement("SELECT key_sha256 FROM revoked_keys ORDER BY revoked_ms DESC LIMIT ?")
      .all(limit)
      .map(({ key_sha256: key }) => bytesOf(key));
  }
}

function enrolmentOf(row: Readonly<Record<string, SQLOutputValue>>): EnrolmentRecord {
  return {
    nodeId: String(row.node_id),
    key: bytesOf(row.key_sha256),
    joinTokenId: String(row.join_token_id),
    enrolledAtMs: Number(row.enrolled_ms),
    notAfterMs: Number(row.not_after_ms),
    renewals: Number(row.renewals),
    revokedAtMs: optional(row.revoked_ms),
    isOpen: Number(row.is_open) === OPEN,
    isDated: Number(row.is_open) === DATED,
    isEphemeral: Number(row.is_ephemeral) !== 0,
    refusedClaims: Number(row.refused_claims),
    lastRefusedClaimAtMs: optional(row.last_refused_claim_ms),
    lastRefusedClaimFrom: String(row.last_refused_claim_from),
  };
}

function optional(value: SQLOutputValue | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value);
}
