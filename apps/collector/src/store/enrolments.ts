/**
 * Which key may hold which node id; runs in the store's thread, each operation within its batch's transaction.
 *
 * 1. A use of a token and the enrolment it is spent on are one. A lost answer costs no second use, because the same key
 *    under the same id is admitted again, whatever became of the token meanwhile.
 * 2. A node id belongs to one key until it is readmitted. Keys that were revoked, or replaced after a readmission, stay
 *    refused for good. A key that came by an ephemeral token gives way by itself once the id is silent, because its
 *    machine cannot keep it. An ephemeral token takes no id from a lasting key, nor one whose row may be older than
 *    what was issued since.
 * 3. Callers without a token's secret learn nothing of the token (S1).
 * 4. A row that may be older than what the fleet CA has issued gives way to a certificate that was issued after it. The
 *    CA issues only to the key that holds an id, so the key it issued to last is the one that held the id last.
 */
import { timingSafeEqual } from "node:crypto";
import { matchesPattern } from "@lifeline/catalogue";
import type { EnrolmentRows } from "./enrolment-rows.ts";
import type {
  AdoptClaim,
  Adopted,
  EnrolClaim,
  EnrolmentRecord,
  EnrolOutcome,
  EnrolRefusal,
  JoinTokenRecord,
  RenewClaim,
  RenewOutcome,
  RenewRefusal,
} from "./identity-record.ts";
import type { JoinTokenRows } from "./join-token-rows.ts";

export class Enrolments {
  readonly #rows: EnrolmentRows;
  readonly #tokens: JoinTokenRows;

  constructor(rows: EnrolmentRows, tokens: JoinTokenRows) {
    this.#rows = rows;
    this.#tokens = tokens;
  }

  enrol(claim: EnrolClaim): EnrolOutcome {
    const { tokenId, nodeId, key, nowMs } = claim;
    const stored = this.#tokens.find(tokenId);
    if (stored === undefined || !timingSafeEqual(stored.secretSha256, claim.secretSha256)) {
      return { kind: "refused", why: "unknown-token" };
    }
    const held = this.#rows.find(nodeId);
    const relation = relationOf(held, claim);
    const why = this.#refusal(claim, stored.token, held, relation) ?? this.#write(claim, stored.token, held, relation);
    if (why !== undefined) return { kind: "refused", why };
    // Of an id that was readmitted. A key that gave way is not refused later: ephemeral keys come and go, and the list
    // must have a bound.
    const replacedKey = relation === "free" ? held?.key : undefined;
    this.#rows.revokeKey(replacedKey, nodeId, nowMs);
    this.#rows.touch(nodeId, key);
    const enrolment = this.#rows.find(nodeId);
    if (enrolment === undefined) throw new Error("an enrolment that was written is not there");
    return { kind: "enrolled", enrolment, replacedKey, gaveWay: relation === "gives-way" };
  }

  renew({ nodeId, key, nowMs, notAfterMs, issuedAtMs, endsAtMs, lapsedBeforeMs }: RenewClaim): RenewOutcome {
    const refused = (why: RenewRefusal): RenewOutcome => ({ kind: "refused", why });
    const held = this.#rows.find(nodeId);
    if (this.#rows.isKeyRevoked(key)) return refused("key-revoked");
    if (held?.revokedAtMs !== undefined) return refused("node-revoked");
    if (Math.max(held?.notAfterMs ?? endsAtMs, endsAtMs) < lapsedBeforeMs) return refused("lapsed");
    let adopted: Adopted | undefined;
    if (held === undefined || !isSame(held.key, key)) {
      adopted = this.adopt({ nodeId, key, nowMs, issuedAtMs, notAfterMs: endsAtMs, follows: false });
      if (adopted.enrolment === undefined) return refused("too-many-enrolments");
      if (!isSame(adopted.enrolment.key, key)) return refused("another-key");
    }
    this.#rows.countRenewal(nodeId, Math.max(nowMs, notAfterMs));
    this.#rows.touch(nodeId, key);
    return { kind: "renewed", adopted };
  }

  adopt({ nodeId, key, nowMs, issuedAtMs, notAfterMs, follows }: AdoptClaim): Adopted {
    const held = this.#rows.find(nodeId);
    const isSameKey = held !== undefined && isSame(held.key, key);
    const isLater = held?.isDated === true && held.revokedAtMs === undefined && issuedAtMs > held.enrolledAtMs;
    let replacedKey: Uint8Array | undefined;
    if (held === undefined) {
      if (!this.#rows.hasRoom()) return { enrolment: undefined, replacedKey };
      const times = { enrolledAtMs: issuedAtMs, notAfterMs };
      this.#rows.put({ nodeId, key, joinTokenId: "", ...times, isDated: true, isEphemeral: false });
    } else if (follows || isSameKey) {
      this.#rows.follow(nodeId, key, notAfterMs, isSameKey && held.isEphemeral);
    } else if (isLater) {
      replacedKey = held.key;
      this.#rows.supersede(nodeId, key, issuedAtMs, notAfterMs);
      this.#rows.revokeKey(replacedKey, nodeId, nowMs);
    }
    this.#rows.touch(nodeId, key);
    return { enrolment: this.#rows.find(nodeId), replacedKey };
  }

  /** Why the claim is refused, whatever uses its token has left. */
  #refusal(
    { tokenId, nodeId, key, nowMs, from }: EnrolClaim,
    token: JoinTokenRecord,
    held: EnrolmentRecord | undefined,
    relation: Relation,
  ): EnrolRefusal | undefined {
    const wasLetInByIt = relation === "same-key" && held?.joinTokenId === tokenId;
    const byToken = wasLetInByIt ? undefined : refusalBy(token, nodeId, nowMs);
    if (byToken !== undefined) return byToken;
    if (this.#rows.isKeyRevoked(key)) return "key-revoked";
    if (held?.revokedAtMs !== undefined) return "node-revoked";
    if (relation !== "another-key" && relation !== "id-in-use") return undefined;
    this.#rows.countRefusedClaims(nodeId, 1, nowMs, from);
    return relation;
  }

  /**
   * Writes the enrolment, with a use of the token where the key is new; why not, where the token or the store has no
   * room.
   */
  #write(
    { tokenId, nodeId, key, nowMs, notAfterMs }: EnrolClaim,
    { uses, usesMax, isEphemeral }: JoinTokenRecord,
    held: EnrolmentRecord | undefined,
    relation: Relation,
  ): EnrolRefusal | undefined {
    if (relation === "same-key") {
      // Its answer was lost, or its last certificate has ended: it was admitted before, and costs no use.
      this.#rows.extend(nodeId, notAfterMs, isEphemeral);
      return undefined;
    }
    if (uses >= usesMax) return "token-used-up";
    if (held === undefined && !this.#rows.hasRoom()) return "too-many-enrolments";
    this.#tokens.spend(tokenId);
    const times = { enrolledAtMs: nowMs, notAfterMs };
    this.#rows.put({ nodeId, key, joinTokenId: tokenId, ...times, isDated: false, isEphemeral });
    return undefined;
  }
}

/** How a key that claims an id relates to the one that holds it. */
type Relation = "free" | "same-key" | "gives-way" | "id-in-use" | "another-key";

function relationOf(held: EnrolmentRecord | undefined, claim: EnrolClaim): Relation {
  if (held === undefined) return "free";
  if (isSame(held.key, claim.key)) return "same-key";
  if (held.isOpen) return "free";
  if (!held.isEphemeral || held.isDated) return "another-key";
  // A node that was enrolled a moment ago is about to connect; an enrolment in the future is of a clock that was set
  // back since.
  const isNew = held.enrolledAtMs > claim.silentSinceMs && held.enrolledAtMs <= claim.nowMs;
  return claim.isIdSilent && !isNew ? "gives-way" : "id-in-use";
}

/** Why a token lets no key in under an id, whatever uses it has left. */
function refusalBy(
  { revokedAtMs, expiresAtMs, nodePattern }: JoinTokenRecord,
  nodeId: string,
  nowMs: number,
): EnrolRefusal | undefined {
  if (revokedAtMs !== undefined) return "token-revoked";
  if (expiresAtMs <= nowMs) return "token-expired";
  return nodePattern === "" || matchesPattern(nodePattern, nodeId) ? undefined : "not-for-node";
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
