/**
 * Enrolment: a key and a join token become a certificate; a certificate becomes the next one.
 *
 * 1. The use of a token and the enrolment are durable before a certificate is made (S1).
 * 2. Renewing needs no token: the key that the connection has proven is the one the node was enrolled with.
 * 3. A source (an IPv4 address or an IPv6 /64) that fails too often must wait, and so must a key that is used too often. The refusal says
 *    what was wrong and holds no secret.
 * 4. An attempt counts from its beginning, so that concurrent attempts count too.
 * 5. A certificate that the fleet CA has not signed causes no work in the store (S2).
 */
import { createHash, X509Certificate } from "node:crypto";
import { BACKDATE_MS, type FleetCa, ROLE_ORGANISATIONS, readSigningRequest } from "@lifeline/identity";
import type { Clock } from "@lifeline/measure";
import {
  type CallContext,
  type ClientCertificate,
  RpcError,
  RpcStatus,
  type RpcStatusCode,
  type ServiceImplementation,
} from "@lifeline/rpc";
import { type enrolPb, isNodeId, NODE_ID_WANTED } from "@lifeline/wire";
import type { EnrolRefusal, RenewRefusal } from "../store/identity-record.ts";
import { unavailable } from "../streams/call-refusal.ts";
import { peerAddress, peerSource } from "../streams/peer-address.ts";
import type { AttemptLimit } from "./attempt-limit.ts";
import { SILENT_AFTER_MS } from "./id-activity.ts";
import { readJoinToken } from "./join-token.ts";
import type { Registry } from "./registry.ts";

/** How long after its end a certificate may still be renewed, ms: 30 days, longer than any outage that a fleet waits out. */
export const RENEW_WITHIN_MS = 30 * 24 * 3_600_000;

/** What became of an attempt. */
export type EnrolAttempt =
  | "enrolled"
  /** Enrolled in the place of an ephemeral key. */
  | "re-enrolled"
  | "renewed"
  | "malformed"
  | "too-many-attempts"
  | EnrolRefusal
  | RenewRefusal
  | "no-certificate";

/** What enrolment needs. */
export interface EnrolParts {
  /** The fleet CA. Undefined: this collector enrols no nodes. */
  readonly ca: FleetCa | undefined;
  readonly certificateLifetimeMs: number;
  readonly registry: Registry;
  readonly limit: AttemptLimit;
  readonly clock: Clock;
  readonly onAttempt: (what: EnrolAttempt, nodeId: string, from: string) => void;
  /** Whether no stream is open under a node id, nor was a moment ago. */
  readonly isSilent: (nodeId: string) => boolean;
  /** Ends the streams of the key that held the id before. */
  readonly onReplaced: (nodeId: string) => void;
}

type EnrolService = ServiceImplementation<typeof enrolPb.EnrolService>;

export function createEnrolService(parts: EnrolParts): EnrolService {
  const { registry, limit, clock, onAttempt } = parts;
  const caOrRefuse = (): FleetCa => {
    if (parts.ca !== undefined) return parts.ca;
    throw new RpcError(RpcStatus.FAILED_PRECONDITION, "this collector enrols no nodes: it has no identity.names");
  };
  const take = (source: string, from: string): void => {
    if (limit.take(source)) return;
    onAttempt("too-many-attempts", "", from);
    throw new RpcError(RpcStatus.RESOURCE_EXHAUSTED, "too many attempts; try again later");
  };
  /** Runs one enrolment. A refusal counts against its source. */
  const atSource = async <T>({ peer }: CallContext, run: (from: string) => Promise<T>): Promise<T> => {
    const from = peerAddress(peer) ?? "";
    const source = peerSource(peer);
    take(source, from);
    try {
      const answer = await run(from);
      limit.giveBack(source);
      return answer;
    } catch (error) {
      // A store that cannot write is not the fault of the client.
      if (!(error instanceof RpcError) || error.code === RpcStatus.UNAVAILABLE) limit.giveBack(source);
      throw error;
    }
  };
  /** By certificate, which belongs to one connection: a client that calls without end has its signature checked once. */
  const checked = new WeakMap<ClientCertificate, boolean>();
  const signedByCa = (ca: FleetCa, certificate: ClientCertificate | undefined) => {
    if (certificate === undefined) return undefined;
    const isSigned = checked.get(certificate) ?? isOf(ca, certificate);
    checked.set(certificate, isSigned);
    return isSigned ? certificate : undefined;
  };
  const requestOf = async (der: Uint8Array, from: string) => {
    const request = await readSigningRequest(der);
    if (request.kind === "ok" && isNodeId(request.nodeId)) return request;
    onAttempt("malformed", "", from);
    const detail = request.kind === "ok" ? `a common name that is no node id, want ${NODE_ID_WANTED}` : request.detail;
    throw new RpcError(RpcStatus.INVALID_ARGUMENT, `certificate_request_der: got ${detail}`);
  };
  const lifetime = () => {
    const nowMs = Math.round(clock.wallMs());
    return { nowMs, notAfterMs: nowMs + parts.certificateLifetimeMs };
  };
  const issue = async (ca: FleetCa, nodeId: string, publicKeyDer: Uint8Array, nowMs: number) => {
    const lifetimeMs = parts.certificateLifetimeMs;
    const { der, notAfterMs } = await ca.issueNode({ nodeId, publicKeyDer, nowMs, lifetimeMs });
    return { certificateChainDer: [der, ca.certDer], notAfterUnixMs: BigInt(notAfterMs) };
  };

  return {
    async getFleetCa() {
      return { caCertificateDer: caOrRefuse().certDer };
    },
    enrol: ({ joinToken, certificateRequestDer }, context) =>
      atSource(context, async (from) => {
        const ca = caOrRefuse();
        const token = readJoinToken(joinToken);
        const { nodeId, publicKeyDer, keySha256 } = await requestOf(certificateRequestDer, from);
        const refuse = (why: EnrolRefusal): never => {
          onAttempt(why, nodeId, from);
          throw new RpcError(...ENROL_REFUSALS[why]);
        };
        if (token === undefined) return refuse("unknown-token");
        // A key that was enrolled before costs a commit and a signature each time.
        take(keySha256, from);
        const secretSha256 = createHash("sha256").update(token.secret).digest();
        const key = Buffer.from(keySha256, "hex");
        const times = lifetime();
        const silence = { isIdSilent: parts.isSilent(nodeId), silentSinceMs: times.nowMs - SILENT_AFTER_MS };
        const outcome = await registry
          .enrol({ tokenId: token.id, secretSha256, nodeId, key, from, ...silence, ...times })
          .catch(unavailable);
        if (outcome.kind === "refused") return refuse(outcome.why);
        const { replacedKey, gaveWay } = outcome;
        if (replacedKey !== undefined || gaveWay) parts.onReplaced(nodeId);
        onAttempt(gaveWay ? "re-enrolled" : "enrolled", nodeId, from);
        return issue(ca, nodeId, publicKeyDer, times.nowMs);
      }),
    async renew({ certificateRequestDer }, context) {
      const from = peerAddress(context.peer) ?? "";
      const ca = caOrRefuse();
      const shown = signedByCa(ca, context.connection?.certificate);
      // By its key, because nodes that share a source with one that fails must still renew. Each costs a commit and a signature.
      take(shown?.keySha256 ?? peerSource(context.peer), from);
      const { nodeId, publicKeyDer, keySha256 } = await requestOf(certificateRequestDer, from);
      const refuse = (why: RenewRefusal | "no-certificate"): never => {
        onAttempt(why, nodeId, from);
        throw new RpcError(...RENEW_REFUSALS[why]);
      };
      if (shown === undefined) return refuse("no-certificate");
      if (shown.keySha256 !== keySha256 || shown.commonName !== nodeId) return refuse("another-key");
      const times = lifetime();
      const key = Buffer.from(keySha256, "hex");
      const lapsedBeforeMs = times.nowMs - RENEW_WITHIN_MS;
      const dates = { issuedAtMs: shown.notBeforeMs + BACKDATE_MS.client, endsAtMs: shown.notAfterMs, lapsedBeforeMs };
      const outcome = await registry.renew({ nodeId, key, ...dates, ...times }).catch(unavailable);
      if (outcome.kind === "refused") return refuse(outcome.why);
      if (outcome.adopted?.replacedKey !== undefined) parts.onReplaced(nodeId);
      onAttempt("renewed", nodeId, from);
      return issue(ca, nodeId, publicKeyDer, times.nowMs);
    },
  };
}

/** OpenSSL's errors for a certificate that has ended, or that lies in the future because the collector's clock was set back. */
const RENEWABLE: readonly string[] = ["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"];

/** Extended key usage of a client (RFC 5280 §4.2.1.12). */
const CLIENT_AUTH_OID = "1.3.6.1.5.5.7.3.2";

const ROLES: readonly string[] = Object.values(ROLE_ORGANISATIONS);

/** Whether the CA has signed it for a node. OpenSSL's error for an expired certificate may hide another one, so the signature is checked again. */
function isOf({ certDer }: FleetCa, { problem, der, organisations }: ClientCertificate): boolean {
  if (organisations.some((organisation) => ROLES.includes(organisation))) return false;
  if (problem === undefined) return true;
  if (!RENEWABLE.includes(problem)) return false;
  const certificate = new X509Certificate(der);
  // Undefined for a certificate without the extension, though Node's types do not say so.
  const usage: readonly string[] | undefined = certificate.keyUsage;
  if (usage !== undefined && !usage.includes(CLIENT_AUTH_OID)) return false;
  return certificate.verify(new X509Certificate(certDer).publicKey);
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
