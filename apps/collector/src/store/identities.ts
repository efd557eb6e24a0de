/**
 * Tokens and enrolments in the database; runs in the store's thread, each operation within its batch's transaction.
 *
 * 1. A use of a token and the enrolment it is spent on are one: an answer that was lost on its way costs no second use, for the same key
 *    under the same id is let in again, whatever became of the token meanwhile.
 * 2. A node id belongs to one key until it is readmitted. Keys that were revoked, or replaced after a readmission, stay refused for good.
 *    A key that came by an ephemeral token gives way by itself, for who made it cannot keep it, once the id is silent; an ephemeral token
 *    takes no id from a key that stays, nor one whose row may be older than what was issued since.
 * 3. Of a token only the digest of its secret is kept, and who does not have the secret learns nothing of it (S1).
 * 4. A row that may be older than what the authority has issued gives way to a certificate that was issued after it: the authority issues
 *    only to the key that holds an id, so that the one it issued to last is the one that held it last.
 */
import { timingSafeEqual } from "node:crypto";
import type { SQLOutputValue } from "node:sqlite";
import { matchesPattern } from "@lifeline/catalogue";
import type {
  AdoptClaim,
  Adopted,
  EnrolClaim,
  EnrolmentRecord,
  EnrolOutcome,
  EnrolRefusal,
  IdentityOperations,
  JoinTokenRecord,
  RenewClaim,
  RenewOutcome,
  RenewRefusal,
} from "./identity-record.ts";
import { bytesOf, type Statement } from "./statement.ts";
import type { StorageHours } from "./storage-hours.ts";

/** Most tokens that are kept: beyond it those that ended longest ago make room. */
export const JOIN_TOKENS_MAX = 1_000;

/** Most nodes that are enrolled or revoked: ten times the fleet a collector serves. */
export const ENROLMENTS_MAX = 100_000;

type Row = Readonly<Record<string, SQLOutputValue>>;
type Operations = {
  readonly [K in keyof IdentityOperations]: (input: IdentityOperations[K]["input"]) => IdentityOperations[K]["output"];
};

/** The operations on a database. */
export function identityOperations(statement: Statement, hours: StorageHours): Operations {
  const token = (id: string) => statement("SELECT * FROM join_tokens WHERE id = ?").get(id);
  const enrolment = (nodeId: string) => {
    const row = statement("SELECT * FROM enrolments WHERE node_id = ?").get(nodeId);
    return row && enrolmentOf(row);
  };
  const isRevoked = (key: Uint8Array) =>
    statement("SELECT 1 FROM revoked_keys WHERE key_sha256 = ?").get(key) !== undefined;
  /** An id is held from now on by the key that was let in, whatever the certificate's dates say: they may be of a clock that was behind. */
  const stamped = <T extends object>(
    outcome: T,
    { nodeId, key }: { readonly nodeId: string; readonly key: Uint8Array },
  ): T => {
    const isRefused = "kind" in outcome && outcome.kind === "refused";
    const stamp = statement("UPDATE enrolments SET hour = ? WHERE (node_id, key_sha256) = (?, ?)");
    if (!isRefused) stamp.run(hours.current(), nodeId, key);
    return outcome;
  };
  return {
    createJoinToken: (input) => createJoinToken(statement, hours, input),
    listJoinTokens: ({ limit }) =>
      statement("SELECT * FROM join_tokens ORDER BY created_ms DESC, id LIMIT ?").all(limit).map(tokenOf),
    revokeJoinToken({ id, nowMs }) {
      statement("UPDATE join_tokens SET revoked_ms = coalesce(revoked_ms, ?), hour = ? WHERE id = ?").run(
        nowMs,
        hours.current(),
        id,
      );
      const row = token(id);
      return row && tokenOf(row);
    },
    pruneJoinTokens: ({ endedBeforeMs }) =>
      Number(
        statement(
          "DELETE FROM join_tokens WHERE min(expires_ms, coalesce(revoked_ms, expires_ms)) < ? AND hour <= ?",
        ).run(endedBeforeMs, hours.lastBefore(endedBeforeMs)).changes,
      ),
    enrol: (claim) =>
      stamped(
        enrol(statement, hours, claim, token(claim.tokenId), enrolment(claim.nodeId), isRevoked(claim.key)),
        claim,
      ),
    renew: (claim) => stamped(renew(statement, hours, claim, enrolment(claim.nodeId), isRevoked(claim.key)), claim),
    adopt: (claim) => stamped(adopt(statement, hours, claim, enrolment(claim.nodeId)), claim),
    countRefusedClaims({ nodeId, claims, nowMs, from }) {
      statement(
        `UPDATE enrolments SET refused_claims = refused_claims + ?, last_refused_claim_ms = ?, last_refused_claim_from = ?
         WHERE node_id = ?`,
      ).run(claims, nowMs, from, nodeId);
      return undefined;
    },
    revokeNode({ nodeId, nowMs, keys }) {
      if (enrolment(nodeId) === undefined) {
        if (!hasRoom(statement)) return undefined;
        statement(INSERT_ENROLMENT).run(hours.current(), nodeId, NO_KEY, "", nowMs, nowMs, HELD, LASTING);
      }
      statement("UPDATE enrolments SET revoked_ms = coalesce(revoked_ms, ?), is_open = 0 WHERE node_id = ?").run(
        nowMs,
        nodeId,
      );
      const revoked = enrolment(nodeId);
      for (const key of [revoked?.key, ...keys]) revokeKey(statement, key, nodeId, nowMs);
      return revoked;
    },
    readmitNode({ nodeId }) {
      statement("UPDATE enrolments SET revoked_ms = NULL, is_open = 1 WHERE node_id = ?").run(nodeId);
      return enrolment(nodeId);
    },
    listEnrolments: ({ nodeId, after, limit }) =>
      statement("SELECT * FROM enrolments WHERE (?1 = '' OR node_id = ?1) AND node_id > ?2 ORDER BY node_id LIMIT ?3")
        .all(nodeId, after, limit)
        .map(enrolmentOf),
    pruneEnrolments: ({ endedBeforeMs, limit }) =>
      statement(
        `DELETE FROM enrolments WHERE node_id IN (
           SELECT node_id FROM enrolments WHERE not_after_ms < ? AND hour <= ? AND revoked_ms IS NULL LIMIT ?) RETURNING node_id`,
      )
        .all(endedBeforeMs, hours.lastBefore(endedBeforeMs), limit)
        .map((row) => String(row.node_id)),
    listRevokedKeys: ({ limit }) =>
      statement("SELECT key_sha256 FROM revoked_keys ORDER BY revoked_ms DESC LIMIT ?")
        .all(limit)
        .map(({ key_sha256: key }) => bytesOf(key)),
  };
}

const INSERT_ENROLMENT = `INSERT INTO enrolments (hour, node_id, key_sha256, join_token_id, enrolled_ms, not_after_ms, renewals, is_open,
  is_ephemeral, refused_claims, last_refused_claim_from) VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, 0, '')`;

/** Values of `is_open`: a key holds the id; the id is free for one new key; a key holds it by a row that may be older than what was issued. */
const HELD = 0;
const OPEN = 1;
export const DATED = 2;

/** Value of `is_ephemeral` where the key stays. */
const LASTING = 0;

/** The key of an id that was revoked before any was known. */
const NO_KEY = new Uint8Array();

function createJoinToken(
  statement: Statement,
  hours: StorageHours,
  { token, secretSha256 }: IdentityOperations["createJoinToken"]["input"],
): "created" | "too-many" {
  const { id, note, nodePattern, createdAtMs, expiresAtMs, usesMax, isEphemeral } = token;
  const live = "(revoked_ms IS NULL AND expires_ms > ? AND uses < uses_max)";
  const { kept, alive } = statement(
    `SELECT count(*) AS kept, count(*) FILTER (WHERE ${live}) AS alive FROM join_tokens`,
  ).get(createdAtMs) ?? { kept: 0, alive: 0 };
  if (Number(alive) >= JOIN_TOKENS_MAX) return "too-many";
  // Ended longest ago first; one that is used up has ended at the latest when it expires.
  statement(
    `DELETE FROM join_tokens WHERE id IN (SELECT id FROM join_tokens WHERE NOT ${live}
       ORDER BY min(expires_ms, coalesce(revoked_ms, expires_ms)), id LIMIT max(0, ?))`,
  ).run(createdAtMs, Number(kept) - JOIN_TOKENS_MAX + 1);
  statement(
    `INSERT INTO join_tokens (id, hour, secret_sha256, note, node_pattern, created_ms, expires_ms, uses_max, uses, is_ephemeral)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?)`,
  ).run(id, hours.current(), secretSha256, note, nodePattern, createdAtMs, expiresAtMs, usesMax, Number(isEphemeral));
  return "created";
}

function enrol(
  statement: Statement,
  hours: StorageHours,
  claim: EnrolClaim,
  tokenRow: Row | undefined,
  held: EnrolmentRecord | undefined,
  keyIsRevoked: boolean,
): EnrolOutcome {
  const { tokenId, nodeId, key, nowMs, notAfterMs, from } = claim;
  const refused = (why: EnrolRefusal): EnrolOutcome => ({ kind: "refused", why });
  if (tokenRow === undefined || !timingSafeEqual(bytesOf(tokenRow.secret_sha256), claim.secretSha256)) {
    return refused("unknown-token");
  }
  const token = tokenOf(tokenRow);
  const relation = relationOf(held, claim);
  const isLetInByIt = relation === "same-key" && held?.joinTokenId === tokenId;
  const ofToken = isLetInByIt ? undefined : refusalBy(token, nodeId, nowMs);
  if (ofToken !== undefined) return refused(ofToken);
  if (keyIsRevoked) return refused("key-revoked");
  if (held?.revokedAtMs !== undefined) return refused("node-revoked");
  if (relation === "another-key" || relation === "id-in-use") {
    statement(
      `UPDATE enrolments SET refused_claims = refused_claims + 1, last_refused_claim_ms = ?, last_refused_claim_from = ?
       WHERE node_id = ?`,
    ).run(nowMs, from, nodeId);
    return refused(relation);
  }
  if (relation === "same-key") {
    // Its answer was lost, or its last certificate has ended: it is let in already, and costs nothing.
    statement(
      `UPDATE enrolments SET not_after_ms = max(not_after_ms, ?), is_ephemeral = min(is_ephemeral, ?), ${IS_HELD} WHERE node_id = ?`,
    ).run(notAfterMs, Number(token.isEphemeral), nodeId);
  } else {
    if (token.uses >= token.usesMax) return refused("token-used-up");
    if (held === undefined && !hasRoom(statement)) return refused("too-many-enrolments");
    statement("UPDATE join_tokens SET uses = uses + 1 WHERE id = ?").run(tokenId);
    statement(
      `${INSERT_ENROLMENT} ON CONFLICT DO UPDATE SET key_sha256 = excluded.key_sha256, join_token_id = excluded.join_token_id,
         enrolled_ms = excluded.enrolled_ms, not_after_ms = excluded.not_after_ms, renewals = 0, is_open = 0,
         is_ephemeral = excluded.is_ephemeral, refused_claims = 0, last_refused_claim_ms = NULL, last_refused_claim_from = ''`,
    ).run(hours.current(), nodeId, key, tokenId, nowMs, notAfterMs, HELD, Number(token.isEphemeral));
  }
  // Of an id that was readmitted. One that gave way leaves nothing behind: it comes and goes without anybody's doing, and must have a bound.
  const replacedKey = relation === "free" ? held?.key : undefined;
  revokeKey(statement, replacedKey, nodeId, nowMs);
  const row = statement("SELECT * FROM enrolments WHERE node_id = ?").get(nodeId);
  if (row === undefined) throw new Error("an enrolment that was written is not there");
  return { kind: "enrolled", enrolment: enrolmentOf(row), replacedKey, gaveWay: relation === "gives-way" };
}

/** How a key that asks for an id stands to the one that has it. */
type Relation = "free" | "same-key" | "gives-way" | "id-in-use" | "another-key";

function relationOf(held: EnrolmentRecord | undefined, claim: EnrolClaim): Relation {
  if (held === undefined) return "free";
  if (Buffer.compare(held.key, claim.key) === 0) return "same-key";
  if (held.isOpen) return "free";
  if (!held.isEphemeral || held.isDated) return "another-key";
  // Who was enrolled a moment ago is about to speak; an enrolment in the future is of a clock that was set back since.
  const isNew = held.enrolledAtMs > claim.silentSinceMs && held.enrolledAtMs <= claim.nowMs;
  return claim.isIdSilent && !isNew ? "gives-way" : "id-in-use";
}

/** Why a token lets nobody in under an id, whatever uses it has left. */
function refusalBy(
  { revokedAtMs, expiresAtMs, nodePattern }: JoinTokenRecord,
  nodeId: string,
  nowMs: number,
): EnrolRefusal | undefined {
  if (revokedAtMs !== undefined) return "token-revoked";
  if (expiresAtMs <= nowMs) return "token-expired";
  return nodePattern === "" || matchesPattern(nodePattern, nodeId) ? undefined : "not-for-node";
}

/** A key that holds its id anew; a row that was dated stays so, for whoever held the id last may yet come. */
const IS_HELD = `is_open = CASE is_open WHEN ${DATED} THEN ${DATED} ELSE ${HELD} END`;

function renew(
  statement: Statement,
  hours: StorageHours,
  { nodeId, key, nowMs, notAfterMs, issuedAtMs, endsAtMs, lapsedBeforeMs }: RenewClaim,
  held: EnrolmentRecord | undefined,
  keyIsRevoked: boolean,
): RenewOutcome {
  const refused = (why: RenewRefusal): RenewOutcome => ({ kind: "refused", why });
  if (keyIsRevoked) return refused("key-revoked");
  if (held?.revokedAtMs !== undefined) return refused("node-revoked");
  if (Math.max(held?.notAfterMs ?? endsAtMs, endsAtMs) < lapsedBeforeMs) return refused("lapsed");
  let adopted: Adopted | undefined;
  if (held === undefined || Buffer.compare(held.key, key) !== 0) {
    adopted = adopt(statement, hours, { nodeId, key, nowMs, issuedAtMs, notAfterMs: endsAtMs, follows: false }, held);
    if (adopted.enrolment === undefined) return refused("too-many-enrolments");
    if (Buffer.compare(adopted.enrolment.key, key) !== 0) return refused("another-key");
  }
  statement(
    `UPDATE enrolments SET not_after_ms = max(not_after_ms, ?), renewals = renewals + 1, ${IS_HELD} WHERE node_id = ?`,
  ).run(Math.max(nowMs, notAfterMs), nodeId);
  return { kind: "renewed", adopted };
}

function adopt(
  statement: Statement,
  hours: StorageHours,
  { nodeId, key, nowMs, issuedAtMs, notAfterMs, follows }: AdoptClaim,
  held: EnrolmentRecord | undefined,
): Adopted {
  const isSameKey = held !== undefined && Buffer.compare(held.key, key) === 0;
  const isLater = held?.isDated === true && held.revokedAtMs === undefined && issuedAtMs > held.enrolledAtMs;
  let replacedKey: Uint8Array | undefined;
  if (held === undefined) {
    if (!hasRoom(statement)) return { enrolment: undefined, replacedKey };
    statement(INSERT_ENROLMENT).run(hours.current(), nodeId, key, "", issuedAtMs, notAfterMs, DATED, LASTING);
  } else if (follows || isSameKey) {
    const stillPasses = isSameKey && held.isEphemeral;
    statement(
      "UPDATE enrolments SET key_sha256 = ?, not_after_ms = max(not_after_ms, ?), is_ephemeral = ? WHERE node_id = ?",
    ).run(key, notAfterMs, Number(stillPasses), nodeId);
  } else if (isLater) {
    replacedKey = held.key;
    statement(
      `UPDATE enrolments SET key_sha256 = ?, join_token_id = '', enrolled_ms = ?, not_after_ms = ?, renewals = 0,
         is_ephemeral = ${LASTING} WHERE node_id = ?`,
    ).run(key, issuedAtMs, notAfterMs, nodeId);
    revokeKey(statement, replacedKey, nodeId, nowMs);
  }
  const row = statement("SELECT * FROM enrolments WHERE node_id = ?").get(nodeId);
  return { enrolment: row && enrolmentOf(row), replacedKey };
}

function revokeKey(statement: Statement, key: Uint8Array | undefined, nodeId: string, nowMs: number): void {
  if (key === undefined || key.length === 0) return;
  statement("INSERT INTO revoked_keys VALUES (?, ?, ?) ON CONFLICT DO NOTHING").run(key, nodeId, nowMs);
}

function hasRoom(statement: Statement): boolean {
  return Number(statement("SELECT count(*) AS nodes FROM enrolments").get()?.nodes) < ENROLMENTS_MAX;
}

function tokenOf(row: Row): JoinTokenRecord {
  return {
    id: String(row.id),
    note: String(row.note),
    nodePattern: String(row.node_pattern),
    createdAtMs: Number(row.created_ms),
    expiresAtMs: Number(row.expires_ms),
    usesMax: Number(row.uses_max),
    uses: Number(row.uses),
    revokedAtMs: optional(row.revoked_ms),
    isEphemeral: Number(row.is_ephemeral) !== LASTING,
  };
}

function enrolmentOf(row: Row): EnrolmentRecord {
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
    isEphemeral: Number(row.is_ephemeral) !== LASTING,
    refusedClaims: Number(row.refused_claims),
    lastRefusedClaimAtMs: optional(row.last_refused_claim_ms),
    lastRefusedClaimFrom: String(row.last_refused_claim_from),
  };
}

function optional(value: SQLOutputValue | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value);
}
