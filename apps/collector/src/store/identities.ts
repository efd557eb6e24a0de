/**
 * Tokens and enrolments in the database; runs in the store's thread, each operation within its batch's transaction.
 *
 * 1. A use of a token and the enrolment it is spent on are one: an answer that was lost on its way costs no second use, for the same key
 *    under the same id is let in again.
 * 2. A node id belongs to one key until it is readmitted. Keys that were revoked stay refused for good.
 * 3. Of a token only the digest of its secret is kept (S1).
 */
import { timingSafeEqual } from "node:crypto";
import type { SQLOutputValue } from "node:sqlite";
import type {
  EnrolClaim,
  EnrolmentRecord,
  EnrolOutcome,
  EnrolRefusal,
  IdentityOperations,
  JoinTokenRecord,
  RenewClaim,
  RenewRefusal,
} from "./identity-record.ts";
import { bytesOf, type Statement } from "./statement.ts";

/** Most tokens that are kept, and how long one is kept after its end, ms: 90 days, for whoever asks by which a node came in. */
export const JOIN_TOKENS_MAX = 1_000;
const TOKEN_KEPT_MS = 90 * 24 * 3_600_000;

/** Most nodes ever enrolled: ten times the fleet a collector serves. */
export const ENROLMENTS_MAX = 100_000;

type Row = Readonly<Record<string, SQLOutputValue>>;
type Operations = {
  readonly [K in keyof IdentityOperations]: (input: IdentityOperations[K]["input"]) => IdentityOperations[K]["output"];
};

/** The operations on a database. */
export function identityOperations(statement: Statement): Operations {
  const token = (id: string) => statement("SELECT * FROM join_tokens WHERE id = ?").get(id);
  const enrolment = (nodeId: string) => {
    const row = statement("SELECT * FROM enrolments WHERE node_id = ?").get(nodeId);
    return row && enrolmentOf(row);
  };
  const isRevoked = (key: Uint8Array) =>
    statement("SELECT 1 FROM revoked_keys WHERE key_sha256 = ?").get(key) !== undefined;
  return {
    createJoinToken: (input) => createJoinToken(statement, input),
    readJoinToken({ id }) {
      const row = token(id);
      return row && tokenOf(row);
    },
    listJoinTokens: ({ limit }) =>
      statement("SELECT * FROM join_tokens ORDER BY created_ms DESC, id LIMIT ?").all(limit).map(tokenOf),
    revokeJoinToken({ id, nowMs }) {
      statement("UPDATE join_tokens SET revoked_ms = coalesce(revoked_ms, ?) WHERE id = ?").run(nowMs, id);
      const row = token(id);
      return row && tokenOf(row);
    },
    enrol: (claim) => enrol(statement, claim, token(claim.tokenId), enrolment(claim.nodeId), isRevoked(claim.key)),
    renew: (claim) => renew(statement, claim, enrolment(claim.nodeId), isRevoked(claim.key)),
    adopt({ nodeId, key, nowMs, notAfterMs }) {
      if (!hasRoom(statement)) return undefined;
      statement(`${INSERT_ENROLMENT} ON CONFLICT DO NOTHING`).run(nodeId, key, "", nowMs, notAfterMs);
      return undefined;
    },
    countRefusedClaims({ nodeId, claims, nowMs, from }) {
      statement(
        `UPDATE enrolments SET refused_claims = refused_claims + ?, last_refused_claim_ms = ?, last_refused_claim_from = ?
         WHERE node_id = ?`,
      ).run(claims, nowMs, from, nodeId);
      return undefined;
    },
    revokeNode({ nodeId, nowMs }) {
      statement("UPDATE enrolments SET revoked_ms = coalesce(revoked_ms, ?), is_open = 0 WHERE node_id = ?").run(
        nowMs,
        nodeId,
      );
      const revoked = enrolment(nodeId);
      if (revoked !== undefined) {
        statement("INSERT INTO revoked_keys VALUES (?, ?, ?) ON CONFLICT DO NOTHING").run(revoked.key, nodeId, nowMs);
      }
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
    listRevokedKeys: ({ limit }) =>
      statement("SELECT key_sha256 FROM revoked_keys ORDER BY revoked_ms DESC LIMIT ?")
        .all(limit)
        .map(({ key_sha256: key }) => bytesOf(key)),
  };
}

const INSERT_ENROLMENT = `INSERT INTO enrolments (node_id, key_sha256, join_token_id, enrolled_ms, not_after_ms, renewals, is_open,
  refused_claims, last_refused_claim_from) VALUES (?, ?, ?, ?, ?, 0, 0, 0, '')`;

function createJoinToken(
  statement: Statement,
  { token, secretSha256 }: IdentityOperations["createJoinToken"]["input"],
): "created" | "too-many" {
  const { id, note, nodePattern, createdAtMs, expiresAtMs, usesMax } = token;
  statement("DELETE FROM join_tokens WHERE min(expires_ms, coalesce(revoked_ms, expires_ms)) < ?").run(
    createdAtMs - TOKEN_KEPT_MS,
  );
  const kept = Number(statement("SELECT count(*) AS kept FROM join_tokens").get()?.kept);
  if (kept >= JOIN_TOKENS_MAX) return "too-many";
  statement(
    `INSERT INTO join_tokens (id, secret_sha256, note, node_pattern, created_ms, expires_ms, uses_max, uses)
     VALUES (?, ?, ?, ?, ?, ?, ?, 0)`,
  ).run(id, secretSha256, note, nodePattern, createdAtMs, expiresAtMs, usesMax);
  return "created";
}

function enrol(
  statement: Statement,
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
  if (token.revokedAtMs !== undefined) return refused("token-revoked");
  if (token.expiresAtMs <= nowMs) return refused("token-expired");
  if (keyIsRevoked) return refused("key-revoked");
  if (held?.revokedAtMs !== undefined) return refused("node-revoked");
  const isSameKey = held !== undefined && Buffer.compare(held.key, key) === 0;
  if (held !== undefined && !isSameKey && !held.isOpen) {
    statement(
      `UPDATE enrolments SET refused_claims = refused_claims + 1, last_refused_claim_ms = ?, last_refused_claim_from = ?
       WHERE node_id = ?`,
    ).run(nowMs, from, nodeId);
    return refused("another-key");
  }
  if (isSameKey) {
    // Its answer was lost, or its last certificate has ended: it is let in already, and costs nothing.
    statement("UPDATE enrolments SET not_after_ms = max(not_after_ms, ?), is_open = 0 WHERE node_id = ?").run(
      notAfterMs,
      nodeId,
    );
  } else {
    if (token.uses >= token.usesMax) return refused("token-used-up");
    if (held === undefined && !hasRoom(statement)) return refused("too-many-enrolments");
    statement("UPDATE join_tokens SET uses = uses + 1 WHERE id = ?").run(tokenId);
    statement(
      `${INSERT_ENROLMENT} ON CONFLICT DO UPDATE SET key_sha256 = excluded.key_sha256, join_token_id = excluded.join_token_id,
         enrolled_ms = excluded.enrolled_ms, not_after_ms = excluded.not_after_ms, renewals = 0, is_open = 0, refused_claims = 0,
         last_refused_claim_ms = NULL, last_refused_claim_from = ''`,
    ).run(nodeId, key, tokenId, nowMs, notAfterMs);
  }
  const row = statement("SELECT * FROM enrolments WHERE node_id = ?").get(nodeId);
  if (row === undefined) throw new Error("an enrolment that was written is not there");
  return { kind: "enrolled", enrolment: enrolmentOf(row), replacedKey: isSameKey ? undefined : held?.key };
}

function renew(
  statement: Statement,
  { nodeId, key, nowMs, notAfterMs, lapsedBeforeMs }: RenewClaim,
  held: EnrolmentRecord | undefined,
  keyIsRevoked: boolean,
): "renewed" | RenewRefusal {
  if (keyIsRevoked) return "key-revoked";
  if (held === undefined) return "not-enrolled";
  if (held.revokedAtMs !== undefined) return "node-revoked";
  if (Buffer.compare(held.key, key) !== 0) return "another-key";
  if (held.notAfterMs < lapsedBeforeMs) return "lapsed";
  statement(
    "UPDATE enrolments SET not_after_ms = max(not_after_ms, ?), renewals = renewals + 1, is_open = 0 WHERE node_id = ?",
  ).run(Math.max(nowMs, notAfterMs), nodeId);
  return "renewed";
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
    isOpen: Number(row.is_open) === 1,
    refusedClaims: Number(row.refused_claims),
    lastRefusedClaimAtMs: optional(row.last_refused_claim_ms),
    lastRefusedClaimFrom: String(row.last_refused_claim_from),
  };
}

function optional(value: SQLOutputValue | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value);
}
