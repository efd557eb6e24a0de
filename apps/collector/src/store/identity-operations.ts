/** The store's operations on join tokens and enrolments. */
import { EnrolmentRows } from "./enrolment-rows.ts";
import { Enrolments } from "./enrolments.ts";
import type { IdentityOperations } from "./identity-record.ts";
import { JoinTokenRows } from "./join-token-rows.ts";
import type { Statement } from "./statement.ts";
import type { StorageHours } from "./storage-hours.ts";

type Operations = {
  readonly [K in keyof IdentityOperations]: (input: IdentityOperations[K]["input"]) => IdentityOperations[K]["output"];
};

/** The operations on an open database. */
export function identityOperations(statement: Statement, hours: StorageHours): Operations {
  const tokens = new JoinTokenRows(statement, hours);
  const rows = new EnrolmentRows(statement, hours);
  const enrolments = new Enrolments(rows, tokens);
  return {
    createJoinToken: (input) => tokens.create(input),
    listJoinTokens: ({ limit }) => tokens.list(limit),
    revokeJoinToken: ({ id, nowMs }) => tokens.revoke(id, nowMs),
    pruneJoinTokens: ({ endedBeforeMs }) => tokens.prune(endedBeforeMs),
    enrol: (claim) => enrolments.enrol(claim),
    renew: (claim) => enrolments.renew(claim),
    adopt: (claim) => enrolments.adopt(claim),
    countRefusedClaims({ nodeId, claims, nowMs, from }) {
      rows.countRefusedClaims(nodeId, claims, nowMs, from);
      return undefined;
    },
    revokeNode({ nodeId, nowMs, keys }) {
      const revoked = rows.revoke(nodeId, nowMs);
      if (revoked === undefined) return undefined;
      for (const key of [revoked.key, ...keys]) rows.revokeKey(key, nodeId, nowMs);
      return revoked;
    },
    readmitNode: ({ nodeId }) => rows.readmit(nodeId),
    listEnrolments: (input) => rows.list(input),
    pruneEnrolments: ({ endedBeforeMs, limit }) => rows.prune(endedBeforeMs, limit),
    listRevokedKeys: ({ limit }) => rows.listRevokedKeys(limit),
  };
}
