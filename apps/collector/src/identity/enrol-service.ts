/**
 * Enrolment: a key and a join token become a certificate; a certificate becomes the next one.
 *
 * 1. The use of a token and the enrolment are durable before a certificate is made (S1).
 * 2. Renewing needs no token: the key that the connection has proven is the one the node was enrolled with.
 * 3. A source (an IPv4 address or an IPv6 /64) that fails too often must wait, and so must a key that is used too
 *    often. The refusal says what was wrong and holds no secret.
 * 4. An attempt counts from its beginning, so that concurrent attempts count too.
 * 5. A certificate that the fleet CA has not signed causes no work in the store (S2).
 */
import { createHash } from "node:crypto";
import { BACKDATE_MS, type FleetCa, readSigningRequest } from "@lifeline/identity";
import type { Clock } from "@lifeline/measure";
import { RpcError, RpcStatus, type ServiceImplementation } from "@lifeline/rpc";
import { type enrolPb, isNodeId, NODE_ID_WANTED } from "@lifeline/wire";
import type { EnrolRefusal, RenewRefusal } from "../store/identity-record.ts";
import { unavailable } from "../streams/call-refusal.ts";
import { peerAddress, peerSource } from "../streams/peer-address.ts";
import type { AttemptLimit } from "./attempt-limit.ts";
import { enrolError, renewError } from "./enrol-refusals.ts";
import { SILENT_AFTER_MS } from "./id-activity.ts";
import { readJoinToken } from "./join-token.ts";
import type { Registry } from "./registry.ts";
import { SignedCertificates } from "./signed-certificates.ts";

/**
 * How long after its end a certificate may still be renewed, ms: 30 days, longer than any outage that a fleet waits
 * out.
 */
export const RENEW_WITHIN_MS = 30 * 24 * 3_600_000;

/** What became of an attempt. */
type EnrolAttempt =
  | "enrolled"
  /** Enrolled in the place of an ephemeral key. */
  | "re-enrolled"
  | "renewed"
  | "malformed"
  | "too-many-attempts"
  | EnrolRefusal
  | RenewRefusal
  | "no-certificate";

interface EnrolParts {
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

type Service = ServiceImplementation<typeof enrolPb.EnrolService>;

export class EnrolService implements Service {
  readonly #parts: EnrolParts;
  readonly #signed = new SignedCertificates();

  constructor(parts: EnrolParts) {
    this.#parts = parts;
  }

  readonly getFleetCa: Service["getFleetCa"] = async () => ({ caCertificateDer: this.#ca().certDer });

  readonly enrol: Service["enrol"] = ({ joinToken, certificateRequestDer }, { peer }) =>
    this.#limited(peer, async (from) => {
      const { registry, isSilent, onReplaced, onAttempt } = this.#parts;
      const ca = this.#ca();
      const token = readJoinToken(joinToken);
      const request = await this.#read(certificateRequestDer, from);
      const { nodeId, keySha256 } = request;
      const refuse = (why: EnrolRefusal): never => {
        onAttempt(why, nodeId, from);
        throw enrolError(why);
      };
      if (token === undefined) return refuse("unknown-token");
      // A key that was enrolled before costs a commit and a signature each time.
      this.#take(keySha256, from);
      const secretSha256 = createHash("sha256").update(token.secret).digest();
      const times = this.#lifetime();
      const silence = { isIdSilent: isSilent(nodeId), silentSinceMs: times.nowMs - SILENT_AFTER_MS };
      const claim = { tokenId: token.id, secretSha256, nodeId, key: Buffer.from(keySha256, "hex"), from };
      const outcome = await registry.enrol({ ...claim, ...silence, ...times }).catch(unavailable);
      if (outcome.kind === "refused") return refuse(outcome.why);
      if (outcome.replacedKey !== undefined || outcome.gaveWay) onReplaced(nodeId);
      onAttempt(outcome.gaveWay ? "re-enrolled" : "enrolled", nodeId, from);
      return this.#issue(ca, request, times.nowMs);
    });

  readonly renew: Service["renew"] = async ({ certificateRequestDer }, { peer, connection }) => {
    const { registry, onReplaced, onAttempt } = this.#parts;
    const from = peerAddress(peer) ?? "";
    const ca = this.#ca();
    const certificate = connection?.certificate;
    const shown = certificate && this.#signed.has(ca, certificate) ? certificate : undefined;
    // By its key, because nodes that share a source with one that fails must still renew. Each costs a commit and a
    // signature.
    this.#take(shown?.keySha256 ?? peerSource(peer), from);
    const request = await this.#read(certificateRequestDer, from);
    const { nodeId, keySha256 } = request;
    const refuse = (why: RenewRefusal | "no-certificate"): never => {
      onAttempt(why, nodeId, from);
      throw renewError(why);
    };
    if (shown === undefined) return refuse("no-certificate");
    if (shown.keySha256 !== keySha256 || shown.commonName !== nodeId) return refuse("another-key");
    const times = this.#lifetime();
    const lapsedBeforeMs = times.nowMs - RENEW_WITHIN_MS;
    const dates = { issuedAtMs: shown.notBeforeMs + BACKDATE_MS.client, endsAtMs: shown.notAfterMs, lapsedBeforeMs };
    const claim = { nodeId, key: Buffer.from(keySha256, "hex"), ...dates, ...times };
    const outcome = await registry.renew(claim).catch(unavailable);
    if (outcome.kind === "refused") return refuse(outcome.why);
    if (outcome.adopted?.replacedKey !== undefined) onReplaced(nodeId);
    onAttempt("renewed", nodeId, from);
    return this.#issue(ca, request, times.nowMs);
  };

  #ca(): FleetCa {
    if (this.#parts.ca !== undefined) return this.#parts.ca;
    throw new RpcError(RpcStatus.FAILED_PRECONDITION, "this collector enrols no nodes: it has no identity.names");
  }

  /** Runs one attempt. A refusal counts against its source. */
  async #limited<T>(peer: string, run: (from: string) => Promise<T>): Promise<T> {
    const from = peerAddress(peer) ?? "";
    const source = peerSource(peer);
    this.#take(source, from);
    try {
      const answer = await run(from);
      this.#parts.limit.giveBack(source);
      return answer;
    } catch (error) {
      // A store that cannot write is not the fault of the client.
      if (!(error instanceof RpcError) || error.code === RpcStatus.UNAVAILABLE) this.#parts.limit.giveBack(source);
      throw error;
    }
  }

  #take(source: string, from: string): void {
    const { limit, onAttempt } = this.#parts;
    if (limit.take(source)) return;
    onAttempt("too-many-attempts", "", from);
    throw new RpcError(RpcStatus.RESOURCE_EXHAUSTED, "too many attempts; try again later");
  }

  async #read(der: Uint8Array, from: string) {
    const request = await readSigningRequest(der);
    if (request.kind === "ok" && isNodeId(request.nodeId)) return request;
    this.#parts.onAttempt("malformed", "", from);
    const detail = request.kind === "ok" ? `a common name that is no node id, want ${NODE_ID_WANTED}` : request.detail;
    throw new RpcError(RpcStatus.INVALID_ARGUMENT, `certificate_request_der: got ${detail}`);
  }

  #lifetime() {
    const nowMs = Math.round(this.#parts.clock.wallMs());
    return { nowMs, notAfterMs: nowMs + this.#parts.certificateLifetimeMs };
  }

  async #issue(ca: FleetCa, { nodeId, publicKeyDer }: { nodeId: string; publicKeyDer: Uint8Array }, nowMs: number) {
    const lifetimeMs = this.#parts.certificateLifetimeMs;
    const { der, notAfterMs } = await ca.issueNode({ nodeId, publicKeyDer, nowMs, lifetimeMs });
    return { certificateChainDer: [der, ca.certDer], notAfterUnixMs: BigInt(notAfterMs) };
  }
}
