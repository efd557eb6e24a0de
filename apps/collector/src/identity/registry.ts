/**
 * Which key holds which node id, in memory as in the store.
 *
 * 1. The store decides, in one transaction. Memory follows, so that checking a certificate needs no disk.
 * 2. What is revoked is refused from the moment it is durable, on every stream (S1).
 * 3. Claims of another key to an id that is held are counted, reported and refused: two nodes under one id are never
 *    merged.
 * 4. What was decided before a wait is decided again after it, because a revocation may have come meanwhile.
 */
import { BACKDATE_MS } from "@lifeline/identity";
import type { Clock } from "@lifeline/measure";
import type { ClientCertificate } from "@lifeline/rpc";
import { ENROLMENTS_MAX } from "../store/enrolment-rows.ts";
import type {
  Adopted,
  EnrolClaim,
  EnrolmentRecord,
  EnrolOutcome,
  RenewClaim,
  RenewOutcome,
} from "../store/identity-record.ts";
import type { Store } from "../store/store.ts";
import { peerAddress } from "../streams/peer-address.ts";
import { type ClaimCount, RefusedClaims } from "./refused-claims.ts";

/** Whether a key may use a node id. */
export type KeyStatus = "good" | "revoked" | "another-key";

/** Which kind of key holds an id. */
type Holder = "lasting" | "ephemeral";

/**
 * Most keys of one node that are remembered where ids follow their certificates: a week of daily ones, and one more.
 */
const KEYS_OF_NODE_MAX = 8;

/** Most enrolments that one round deletes: a thousand rows take the store a few milliseconds. */
const PRUNE_ROWS = 1_000;

/** Rows that are read at a time when the collector starts. */
const PAGE_ROWS = 10_000;

export interface RegistryParts {
  readonly store: Pick<Store, "submit">;
  readonly clock: Clock;
  /**
   * Whether a node id belongs to one key. Not so where another CA issues the certificates: it changes keys as it
   * pleases.
   */
  readonly pinsKeys: boolean;
  /** Another key claims the id of a node: called for each claim. */
  readonly onRefusedClaim: (holder: Holder) => void;
  /** Claims of other keys to one id, gathered over some seconds. */
  readonly onClaims: (count: ClaimCount & { readonly holder: Holder }) => void;
}

interface Held {
  readonly keySha256: string;
  readonly isRevoked: boolean;
  /** The end of its last certificate, and since when the key holds the id, ms since the epoch. */
  notAfterMs: number;
  readonly enrolledAtMs: number;
  readonly isDated: boolean;
  readonly isEphemeral: boolean;
  /** The keys that were shown, where ids follow their certificates; the newest last. */
  shownKeys: readonly string[];
}

/** Opens the registry as the store has it. Rejects with a StoreError. */
export async function openRegistry(parts: RegistryParts): Promise<Registry> {
  const registry = new Registry(parts);
  await registry.load();
  return registry;
}

/** The enrolments of a collector. */
export class Registry {
  readonly #parts: RegistryParts;
  readonly #held = new Map<string, Held>();
  readonly #revokedKeys = new Set<string>();
  readonly #claims: RefusedClaims;

  constructor(parts: RegistryParts) {
    this.#parts = parts;
    this.#claims = new RefusedClaims(parts.store, parts.clock, (count) =>
      parts.onClaims({ ...count, holder: this.#holderOf(count.nodeId) }),
    );
  }

  /** Reads what the store has. Rejects with a StoreError. */
  async load(): Promise<void> {
    const { store } = this.#parts;
    for (let after: string | undefined = ""; after !== undefined; ) {
      const query = { nodeId: "", after, limit: PAGE_ROWS };
      const page: readonly EnrolmentRecord[] = await store.submit("listEnrolments", query);
      for (const enrolment of page) this.#remember(enrolment);
      after = page.length === PAGE_ROWS ? page.at(-1)?.nodeId : undefined;
    }
    // Each is of a node that was enrolled: as many as there are nodes, and as many again for those that were
    // readmitted.
    const keys = await store.submit("listRevokedKeys", { limit: 2 * ENROLMENTS_MAX });
    for (const key of keys) this.#refuseKey(key);
  }

  isRevoked(keySha256: string): boolean {
    return this.#revokedKeys.has(keySha256);
  }

  /**
   * Whether the certificate of a node may be used; `peer` is where it was shown. A good one of which nothing is known
   * is kept from now on.
   */
  async statusOf(certificate: ClientCertificate, peer: string): Promise<KeyStatus> {
    const { commonName: nodeId, keySha256 } = certificate;
    if (this.statusNow(nodeId, keySha256) !== "revoked" && this.#isNews(certificate)) await this.#adopt(certificate);
    this.#noteShownKey(nodeId, keySha256);
    const status = this.statusNow(nodeId, keySha256);
    if (status === "another-key") this.#refuseClaim(nodeId, peerAddress(peer) ?? "", 1);
    return status;
  }

  /** The status of a key that was good a moment ago. Reads memory alone, and counts nothing. */
  statusNow(nodeId: string, keySha256: string): KeyStatus {
    const known = this.#held.get(nodeId);
    if (this.#revokedKeys.has(keySha256) || known?.isRevoked === true) return "revoked";
    return !this.#parts.pinsKeys || known === undefined || known.keySha256 === keySha256 ? "good" : "another-key";
  }

  /** Rejects with a StoreError. */
  async enrol(claim: EnrolClaim): Promise<EnrolOutcome> {
    const outcome = await this.#parts.store.submit("enrol", claim);
    if (outcome.kind === "enrolled") {
      this.#remember(outcome.enrolment);
      this.#refuseKey(outcome.replacedKey);
    } else if (outcome.why === "another-key" || outcome.why === "id-in-use") {
      // The store has counted it in its row.
      this.#refuseClaim(claim.nodeId, claim.from, 0);
    }
    return outcome;
  }

  /** Rejects with a StoreError. */
  async renew(claim: RenewClaim): Promise<RenewOutcome> {
    const outcome = await this.#parts.store.submit("renew", claim);
    if (outcome.kind === "refused") return outcome;
    if (outcome.adopted !== undefined) this.#rememberAdopted(outcome.adopted);
    const known = this.#held.get(claim.nodeId);
    if (known !== undefined) known.notAfterMs = Math.max(known.notAfterMs, claim.notAfterMs);
    return outcome;
  }

  /** Undefined: nothing is known of the id, and there is no room for it. Rejects with a StoreError. */
  async revoke(nodeId: string): Promise<EnrolmentRecord | undefined> {
    const { store, clock } = this.#parts;
    const keys = (this.#held.get(nodeId)?.shownKeys ?? []).map((key) => Buffer.from(key, "hex"));
    const revoked = await store.submit("revokeNode", { nodeId, nowMs: Math.round(clock.wallMs()), keys });
    if (revoked === undefined) return undefined;
    this.#remember(revoked);
    for (const key of [revoked.key, ...keys]) this.#refuseKey(key);
    return revoked;
  }

  /** Undefined: no node of that id was ever enrolled or revoked. Rejects with a StoreError. */
  async readmit(nodeId: string): Promise<EnrolmentRecord | undefined> {
    const readmitted = await this.#parts.store.submit("readmitNode", { nodeId });
    if (readmitted !== undefined) this.#remember(readmitted);
    return readmitted;
  }

  /**
   * Deletes enrolments, not those that were revoked, that were written and whose last certificate ended before. Rejects
   * with a StoreError.
   */
  async prune(endedBeforeMs: number): Promise<void> {
    const pruned = await this.#parts.store.submit("pruneEnrolments", { endedBeforeMs, limit: PRUNE_ROWS });
    for (const nodeId of pruned) this.#held.delete(nodeId);
  }

  /** Nodes that are enrolled or revoked, and keys that were revoked. */
  counts(): { readonly enrolments: number; readonly revokedKeys: number } {
    return { enrolments: this.#held.size, revokedKeys: this.#revokedKeys.size };
  }

  /** Writes what is not written yet. */
  stop(): Promise<void> {
    return this.#claims.stop();
  }

  #remember(enrolment: EnrolmentRecord): void {
    const { nodeId, key, revokedAtMs, notAfterMs, enrolledAtMs, isDated, isEphemeral } = enrolment;
    this.#held.set(nodeId, {
      keySha256: hex(key),
      isRevoked: revokedAtMs !== undefined,
      notAfterMs,
      enrolledAtMs,
      isDated,
      isEphemeral,
      shownKeys: this.#held.get(nodeId)?.shownKeys ?? [],
    });
  }

  #rememberAdopted({ enrolment, replacedKey }: Adopted): void {
    if (enrolment !== undefined) this.#remember(enrolment);
    this.#refuseKey(replacedKey);
  }

  #refuseKey(key: Uint8Array | undefined): void {
    if (key !== undefined && key.length > 0) this.#revokedKeys.add(hex(key));
  }

  #refuseClaim(nodeId: string, from: string, unwritten: 0 | 1): void {
    this.#parts.onRefusedClaim(this.#holderOf(nodeId));
    this.#claims.count(nodeId, from, unwritten);
  }

  #holderOf(nodeId: string): Holder {
    return this.#held.get(nodeId)?.isEphemeral === true ? "ephemeral" : "lasting";
  }

  /** Whether the store must hear of the certificate: it knows nothing of it, or less than the certificate says. */
  #isNews({ commonName: nodeId, keySha256, notAfterMs, notBeforeMs }: ClientCertificate): boolean {
    const known = this.#held.get(nodeId);
    if (known === undefined) return true;
    if (!this.#parts.pinsKeys) return known.keySha256 !== keySha256 || notAfterMs > known.notAfterMs;
    if (known.keySha256 === keySha256) return notAfterMs > known.notAfterMs;
    return known.isDated && notBeforeMs + BACKDATE_MS.client > known.enrolledAtMs;
  }

  async #adopt({ commonName: nodeId, keySha256, notAfterMs, notBeforeMs }: ClientCertificate): Promise<void> {
    const { store, clock, pinsKeys } = this.#parts;
    const key = Buffer.from(keySha256, "hex");
    const times = { nowMs: Math.round(clock.wallMs()), issuedAtMs: notBeforeMs + BACKDATE_MS.client, notAfterMs };
    // If the store cannot write now, the certificate still counts today, and is kept at the node's next stream.
    const adopted = await store.submit("adopt", { nodeId, key, ...times, follows: !pinsKeys }).catch(() => undefined);
    if (adopted !== undefined) this.#rememberAdopted(adopted);
  }

  #noteShownKey(nodeId: string, keySha256: string): void {
    const known = this.#held.get(nodeId);
    if (this.#parts.pinsKeys || known === undefined || known.shownKeys.at(-1) === keySha256) return;
    known.shownKeys = [...known.shownKeys.filter((key) => key !== keySha256), keySha256].slice(-KEYS_OF_NODE_MAX);
  }
}

function hex(key: Uint8Array): string {
  return Buffer.from(key).toString("hex");
}
