/** How refused enrolments and renewals are answered. */
import { RpcError, RpcStatus, type RpcStatusCode } from "@lifeline/rpc";
import type { EnrolRefusal, RenewRefusal } from "../store/identity-record.ts";
import { SILENT_AFTER_MS } from "./id-activity.ts";

/** The error of a refused enrolment. */
export function enrolError(why: EnrolRefusal): RpcError {
  return new RpcError(...ENROL_REFUSALS[why]);
}

/** The error of a refused renewal. `no-certificate`: the connection has none that can be renewed. */
export function renewError(why: RenewRefusal | "no-certificate"): RpcError {
  return new RpcError(...RENEW_REFUSALS[why]);
}

type Refusal = readonly [status: RpcStatusCode, message: string];

const ENROL_REFUSALS: Readonly<Record<EnrolRefusal, Refusal>> = {
  "unknown-token": [RpcStatus.UNAUTHENTICATED, "join_token: unknown; use a token that this collector created"],
  "token-expired": [RpcStatus.UNAUTHENTICATED, "join_token: expired; create a new one"],
  "token-revoked": [RpcStatus.UNAUTHENTICATED, "join_token: revoked; use another one"],
  "token-used-up": [RpcStatus.UNAUTHENTICATED, "join_token: used up; create a new one"],
  "not-for-node": [
    RpcStatus.PERMISSION_DENIED,
    "join_token: not valid for this node id; use one whose pattern matches it",
  ],
  "node-revoked": [RpcStatus.PERMISSION_DENIED, "the node is revoked; an administrator can readmit it"],
  "key-revoked": [RpcStatus.PERMISSION_DENIED, "the key is revoked for good; the node needs a new one"],
  "another-key": [
    RpcStatus.ALREADY_EXISTS,
    "another key holds this node id: two machines have it, or this one has lost its key; an administrator can readmit the node",
  ],
  "id-in-use": [
    RpcStatus.ALREADY_EXISTS,
    `another key holds this node id until it has been silent for ${SILENT_AFTER_MS / 1_000} s: two machines have it, or this one was started again`,
  ],
  "too-many-enrolments": [RpcStatus.RESOURCE_EXHAUSTED, "the collector has enrolled as many nodes as it can hold"],
};

const RENEW_REFUSALS: Readonly<Record<RenewRefusal | "no-certificate", Refusal>> = {
  "no-certificate": [RpcStatus.UNAUTHENTICATED, "certificate: none that can be renewed; use the node's own"],
  "too-many-enrolments": ENROL_REFUSALS["too-many-enrolments"],
  "another-key": [RpcStatus.PERMISSION_DENIED, "the node id belongs to another key"],
  "node-revoked": ENROL_REFUSALS["node-revoked"],
  "key-revoked": ENROL_REFUSALS["key-revoked"],
  lapsed: [RpcStatus.UNAUTHENTICATED, "certificate: it ended too long ago to be renewed; use a join token"],
};
