/** What an administrator does with join tokens and nodes. Access is checked before a call gets here (access.ts). */
import { createHash } from "node:crypto";
import { PATTERN_MAX_CHARS } from "@lifeline/catalogue";
import type { FleetCa, RandomBytes } from "@lifeline/identity";
import type { Clock } from "@lifeline/measure";
import { RpcError, RpcStatus, type ServiceImplementation } from "@lifeline/rpc";
import { type adminPb, isNodeId, MAX_PAGE_ROWS, NODE_ID_WANTED } from "@lifeline/wire";
import { token as pageToken, readToken } from "../query/page-token.ts";
import { ENROLMENTS_MAX } from "../store/enrolment-rows.ts";
import type { EnrolmentRecord, JoinTokenRecord } from "../store/identity-record.ts";
import { JOIN_TOKENS_MAX } from "../store/join-token-rows.ts";
import type { Store } from "../store/store.ts";
import { quoted, refuse, unavailable } from "../streams/call-refusal.ts";
import { joinTokenText, makeJoinToken } from "./join-token.ts";
import type { Registry } from "./registry.ts";

/** Bounds of a token (admin.proto). */
const NOTE_MAX_CHARS = 253;
const LIFETIME_S = { least: 60, most: 31_536_000, default: 86_400 };
const USES = { least: 1, most: 100_000, default: 1 };

/** Rows of a page by default: each has some 200 bytes. */
const DEFAULT_PAGE_ROWS = 1_000;

const MS_PER_S = 1_000;

/** What an administrator did, for the log. */
type AdminAct = "token-created" | "token-revoked" | "node-revoked" | "node-readmitted";

interface AdminParts {
  /** The fleet CA. Undefined: this collector enrols no nodes, and creates no tokens. */
  readonly ca: FleetCa | undefined;
  readonly registry: Registry;
  readonly store: Pick<Store, "submit">;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  /** Ends the streams of a node; says how many there were. */
  readonly endStreams: (nodeId: string) => number;
  readonly onAct: (act: AdminAct, of: string) => void;
}

export function createAdminService(parts: AdminParts): ServiceImplementation<typeof adminPb.AdminService> {
  const { registry, store, clock, onAct } = parts;
  const nowMs = () => Math.round(clock.wallMs());
  const nodeIdOf = (nodeId: string) => (isNodeId(nodeId) ? nodeId : refuse("node_id", quoted(nodeId), NODE_ID_WANTED));
  return {
    async createJoinToken(request) {
      const { ca } = parts;
      if (ca === undefined)
        throw new RpcError(RpcStatus.FAILED_PRECONDITION, "this collector enrols no nodes: it has no identity.names");
      const made = makeJoinToken(parts.randomBytes);
      const token = tokenRecord(made.id, request, nowMs());
      const secretSha256 = createHash("sha256").update(made.secret).digest();
      const outcome = await store.submit("createJoinToken", { token, secretSha256 }).catch(unavailable);
      if (outcome === "too-many") {
        const want = `at most ${JOIN_TOKENS_MAX} that have not ended; revoke those that are not needed`;
        throw new RpcError(RpcStatus.RESOURCE_EXHAUSTED, `join tokens: got one more, want ${want}`);
      }
      onAct("token-created", token.id);
      return {
        token: tokenToWire(token),
        joinToken: joinTokenText(made),
        caFingerprint: ca.fingerprint,
      };
    },
    async listJoinTokens() {
      const tokens = await store.submit("listJoinTokens", { limit: JOIN_TOKENS_MAX }).catch(unavailable);
      return { generatedUnixMs: BigInt(nowMs()), tokens: tokens.map(tokenToWire) };
    },
    async revokeJoinToken({ id }) {
      const revoked = await store.submit("revokeJoinToken", { id, nowMs: nowMs() }).catch(unavailable);
      if (revoked === undefined) {
        throw new RpcError(
          RpcStatus.NOT_FOUND,
          `id: got ${quoted(id)}, want the id of a join token, 8 hexadecimal characters`,
        );
      }
      onAct("token-revoked", id);
      return { token: tokenToWire(revoked) };
    },
    async listEnrolments({ nodeId, pageSize, pageToken: after }) {
      if (pageSize > MAX_PAGE_ROWS) refuse("page_size", String(pageSize), `at most ${MAX_PAGE_ROWS}`);
      const limit = pageSize === 0 ? DEFAULT_PAGE_ROWS : pageSize;
      const [last = ""] = readToken(after, 1);
      const of = nodeId === "" ? "" : nodeIdOf(nodeId);
      const found = await store
        .submit("listEnrolments", { nodeId: of, after: last, limit: limit + 1 })
        .catch(unavailable);
      const page = found.slice(0, limit);
      const end = page.at(-1);
      return {
        generatedUnixMs: BigInt(nowMs()),
        enrolments: page.map(enrolmentToWire),
        nextPageToken: found.length > limit && end !== undefined ? pageToken([end.nodeId]) : "",
      };
    },
    async revokeNode({ nodeId }) {
      const revoked = await registry.revoke(nodeIdOf(nodeId)).catch(unavailable);
      if (revoked === undefined) {
        const want = `at most ${ENROLMENTS_MAX} that are enrolled or revoked`;
        throw new RpcError(RpcStatus.RESOURCE_EXHAUSTED, `node ids: got one more, want ${want}`);
      }
      const endedStreams = parts.endStreams(nodeId);
      onAct("node-revoked", nodeId);
      return { enrolment: enrolmentToWire(revoked), endedStreams };
    },
    async readmitNode({ nodeId }) {
      const readmitted = await registry.readmit(nodeIdOf(nodeId)).catch(unavailable);
      if (readmitted === undefined) return unknownNode(nodeId);
      onAct("node-readmitted", nodeId);
      return { enrolment: enrolmentToWire(readmitted) };
    },
  };
}

function tokenRecord(
  id: string,
  { note, lifetimeSeconds, usesMax, nodePattern, ephemeral }: adminPb.CreateJoinTokenRequest,
  createdAtMs: number,
): JoinTokenRecord {
  if (!/^[\x20-\x7e]*$/.test(note) || note.length > NOTE_MAX_CHARS)
    refuse("note", `${note.length} characters`, `at most ${NOTE_MAX_CHARS} printable ones`);
  if (!/^[\x20-\x7e]*$/.test(nodePattern) || nodePattern.length > PATTERN_MAX_CHARS)
    refuse("node_pattern", `${nodePattern.length} characters`, `at most ${PATTERN_MAX_CHARS} printable ones`);
  if (/[A-Z]/.test(nodePattern)) refuse("node_pattern", quoted(nodePattern), "lower-case letters, as node ids have");
  const lifetimeS = bounded("lifetime_seconds", lifetimeSeconds, LIFETIME_S);
  return {
    id,
    note,
    nodePattern,
    createdAtMs,
    expiresAtMs: createdAtMs + lifetimeS * MS_PER_S,
    usesMax: bounded("uses_max", usesMax, USES),
    uses: 0,
    revokedAtMs: undefined,
    isEphemeral: ephemeral,
  };
}

/** 0 takes the default. */
function bounded(field: string, value: number, bounds: { least: number; most: number; default: number }): number {
  if (value === 0) return bounds.default;
  if (value >= bounds.least && value <= bounds.most) return value;
  return refuse(field, String(value), `${bounds.least} to ${bounds.most}`);
}

function tokenToWire(token: JoinTokenRecord) {
  const { id, note, nodePattern, createdAtMs, expiresAtMs, usesMax, uses, revokedAtMs, isEphemeral } = token;
  return {
    id,
    note,
    nodePattern,
    createdUnixMs: BigInt(createdAtMs),
    expiresUnixMs: BigInt(expiresAtMs),
    usesMax,
    uses,
    ephemeral: isEphemeral,
    ...(revokedAtMs === undefined ? {} : { revokedUnixMs: BigInt(revokedAtMs) }),
  };
}

function enrolmentToWire(enrolment: EnrolmentRecord) {
  const { nodeId, key, joinTokenId, enrolledAtMs, notAfterMs, renewals, revokedAtMs } = enrolment;
  return {
    nodeId,
    keySha256: Buffer.from(key).toString("hex"),
    joinTokenId,
    enrolledUnixMs: BigInt(enrolledAtMs),
    notAfterUnixMs: BigInt(notAfterMs),
    renewals,
    ...(revokedAtMs === undefined ? {} : { revokedUnixMs: BigInt(revokedAtMs) }),
    refusedClaims: enrolment.refusedClaims,
    lastRefusedClaimUnixMs: BigInt(enrolment.lastRefusedClaimAtMs ?? 0),
    lastRefusedClaimFrom: enrolment.lastRefusedClaimFrom,
    ephemeral: enrolment.isEphemeral,
  };
}

function unknownNode(nodeId: string): never {
  throw new RpcError(RpcStatus.NOT_FOUND, `node_id: got ${quoted(nodeId)}, want a node that was enrolled or revoked`);
}
