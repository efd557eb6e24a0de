/**
 * Which key holds which node id, in memory as in the store.
 *
 * 1. The store decides, in one transaction; memory follows, so that the door needs no disk.
 * 2. What is revoked is refused from the moment it is durable, on every stream (S1).
 * 3. Claims of another key to an id that is held are counted and told, never obeyed: two nodes under one id are reported, not merged.
 * 4. What was decided before a wait is decided again after it: a revocation that came meanwhile holds.
 */
import { BACKDATE_MS } from "@lifeline/identity";
import type { Clock, Timer } from "@lifeline/measure";
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

/** What a certificate may do. */
export type Standing = "good" | "revoked" | "another-key";

/** How often refused claims are written down and told, ms: a node that tries without end costs one row and one line an age. */
const CLAIMS_EVERY_MS = 10_000;

/** Most keys of one node that are remembered where ids follow their certificates: a week of daily ones, and one more. */
const KEYS_OF_NODE_MAX = 8;

/** Most enrolments that are forgotten at a time: a thousand rows are a few milliseconds of the store's. */
const PRUNE_ROWS = 1_000;

/** Rows that are read at a time when the collector starts. */
const PAGE_ROWS = 10_000;

/** The enrolments of a collector. */
export interface Registry {
  isRevoked(keySha256: string): boolean;
  /** What the certificate of a node may do; `peer` is where it was shown. A good one of which nothing is known is kept from now on. */
  standingOf(certificate: ClientCertificate, peer: string): Promise<Standing>;
  /** What a key may do that was good a moment ago; asks memory alone, and counts nothing. */
  standingNow(nodeId: string, keySha256: string): Standing;
  /** Each rejects with a StoreError. */
  enrol(claim: EnrolClaim): Promise<EnrolOutcome>;
  renew(claim: RenewClaim): Promise<RenewOutcome>;
  /** Undefined: there is no room for an id of which nothing is known. */
  revoke(nodeId: string): Promise<EnrolmentRecord | undefined>;
  readmit(nodeId: string): Promise<EnrolmentRecord | undefined>;
  /** Forgets nodes, not those that were revoked, whose last certificate was made and ended before. Rejects with a StoreError. */
  forget(endedBeforeMs: number): Promise<void>;
  /** Nodes that are enrolled or revoked, and keys that were revoked. */
  counts(): { readonly enrolments: number; readonly revokedKeys: number };
  /** Writes down what is not yet. */
  stop(): Promise<void>;
}

/** What a registry needs. */
export interface RegistryParts {
  readonly store: Pick<Store, "submit">;
  readonly clock: Clock;
  /** Whether a node id belongs to one key; not so where another authority's certificates change keys as they please. */
  readonly pinsKeys: boolean;
  /** Another key claims the id of a node: each time. */
  readonly onRefusedClaim: (holder: Holder) => void;
  readonly onClaimsTold: (told: ToldClaims) => void;
}

/** Which kind of key holds an id. */
export type Holder = "lasting" | "ephemeral";

/** Claims of other keys to an id since they were told last, the last of them from there. */
export interface ToldClaims {
  readonly nodeId: string;
  readonly from: string;
  readonly claims: number;
  readonly holder: Holder;
}

interface Held {
  keySha256: string;
  isRevoked: boolean;
  /** The end of its last certificate, and since when the key holds the id, ms since the epoch. */
  notAfterMs: number;
  enrolledAtMs: number;
  isDated: boolean;
  isEphemeral: boolean;
  /** Those that were shown, where ids follow their certificates; the newest last. */
  shownKeys: readonly string[];
}

/** Opens the registry as the store has it. Rejects with a StoreError. */
export async function openRegistry(parts: RegistryParts): Promise<Registry> {
  const { store, clock, pinsKeys, onRefusedClaim, onClaimsTold } = parts;
  const held = new Map<string, Held>();
  const revokedKeys = new Set<string>();
  const remember = (enrolment: EnrolmentRecord) => {
    const { nodeId, key, revokedAtMs, notAfterMs, enrolledAtMs, isDated, isEphemeral } = enrolment;
    const times = { notAfterMs, enrolledAtMs };
    const is = { isRevoked: revokedAtMs !== undefined, isDated, isEphemeral };
    held.set(nodeId, { keySha256: hex(key), ...times, ...is, shownKeys: held.get(nodeId)?.shownKeys ?? [] });
  };
  const holderOf = (nodeId: string): Holder => (held.get(nodeId)?.isEphemeral === true ? "ephemeral" : "lasting");
  const revokeKey = (key: Uint8Array | undefined) => {
    if (key !== undefined && key.length > 0) revokedKeys.add(hex(key));
  };
  const rememberAdopted = ({ enrolment, replacedKey }: Adopted) => {
    if (enrolment !== undefined) remember(enrolment);
    revokeKey(replacedKey);
  };
  for (let after: string | undefined = ""; after !== undefined; ) {
    const page: readonly EnrolmentRecord[] = await store.submit("listEnrolments", {
      nodeId: "",
      after,
      limit: PAGE_ROWS,
    });
    for (const enrolment of page) remember(enrolment);
    after = page.length === PAGE_ROWS ? page.at(-1)?.nodeId : undefined;
  }
  // Each is of a node that was enrolled: as many nodes, and as many keys again for those that were readmitted.
  for (const key of await store.submit("listRevokedKeys", { limit: 2 * ENROLMENTS_MAX })) revokedKeys.add(hex(key));
  const claims = createClaims(store, clock, (told) => onClaimsTold({ ...told, holder: holderOf(told.nodeId) }));
  const standingNow = (nodeId: string, keySha256: string): Standing => {
    const known = held.get(nodeId);
    if (revokedKeys.has(keySha256) || known?.isRevoked === true) return "revoked";
    return !pinsKeys || known === undefined || known.keySha256 === keySha256 ? "good" : "another-key";
  };
  /** Whether the store is to hear of the certificate: it may know nothing of it, or less than the certificate says. */
  const tellsMore = ({ commonName: nodeId, keySha256, notAfterMs, notBeforeMs }: ClientCertificate): boolean => {
    const known = held.get(nodeId);
    if (known === undefined) return true;
    if (!pinsKeys) return known.keySha256 !== keySha256 || notAfterMs > known.notAfterMs;
    if (known.keySha256 === keySha256) return notAfterMs > known.notAfterMs;
    return known.isDated && notBeforeMs + BACKDATE_MS.client > known.enrolledAtMs;
  };
  const adopt = async ({ commonName: nodeId, keySha256, notAfterMs, notBeforeMs }: ClientCertificate) => {
    const key = Buffer.from(keySha256, "hex");
    const times = { nowMs: Math.round(clock.wallMs()), issuedAtMs: notBeforeMs + BACKDATE_MS.client, notAfterMs };
    // Kept at its next stream, then: the certificate speaks for it today.
    const adopted = await store.submit("adopt", { nodeId, key, ...times, follows: !pinsKeys }).catch(() => undefined);
    if (adopted !== undefined) rememberAdopted(adopted);
  };
  const showKey = (nodeId: string, keySha256: string) => {
    const known = held.get(nodeId);
    if (pinsKeys || known === undefined || known.shownKeys.at(-1) === keySha256) return;
    known.shownKeys = [...known.shownKeys.filter((key) => key !== keySha256), keySha256].slice(-KEYS_OF_NODE_MAX);
  };

  return {
    isRevoked: (keySha256) => revokedKeys.has(keySha256),
    standingNow,
    async standingOf(certificate, peer) {
      const { commonName: nodeId, keySha256 } = certificate;
      if (standingNow(nodeId, keySha256) !== "revoked" && tellsMore(certificate)) await adopt(certificate);
      showKey(nodeId, keySha256);
      const standing = standingNow(nodeId, keySha256);
      if (standing === "another-key") {
        onRefusedClaim(holderOf(nodeId));
        claims.count(nodeId, peerAddress(peer) ?? "", 1);
      }
      return standing;
    },
    async enrol(claim) {
      const outcome = await store.submit("enrol", claim);
      if (outcome.kind === "enrolled") {
        remember(outcome.enrolment);
        revokeKey(outcome.replacedKey);
      } else if (outcome.why === "another-key" || outcome.why === "id-in-use") {
        onRefusedClaim(holderOf(claim.nodeId));
        // The store has written it.
        claims.count(claim.nodeId, claim.from, 0);
      }
      return outcome;
    },
    async renew(claim) {
      const outcome = await store.submit("renew", claim);
      if (outcome.kind === "refused") return outcome;
      if (outcome.adopted !== undefined) rememberAdopted(outcome.adopted);
      const known = held.get(claim.nodeId);
      if (known !== undefined) known.notAfterMs = Math.max(known.notAfterMs, claim.notAfterMs);
      return outcome;
    },
    async revoke(nodeId) {
      const keys = (held.get(nodeId)?.shownKeys ?? []).map((key) => Buffer.from(key, "hex"));
      const revoked = await store.submit("revokeNode", { nodeId, nowMs: Math.round(clock.wallMs()), keys });
      if (revoked === undefined) return undefined;
      remember(revoked);
      for (const key of [revoked.key, ...keys]) revokeKey(key);
      return revoked;
    },
    async readmit(nodeId) {
      const readmitted = await store.submit("readmitNode", { nodeId });
      if (readmitted !== undefined) remember(readmitted);
      return readmitted;
    },
    async forget(endedBeforeMs) {
      for (const nodeId of await store.submit("pruneEnrolments", { endedBeforeMs, limit: PRUNE_ROWS })) {
        held.delete(nodeId);
      }
    },
    counts: () => ({ enrolments: held.size, revokedKeys: revokedKeys.size }),
    stop: () => claims.stop(),
  };
}

/** Counts by node, written and told together. Bounded: only ids that are held can be claimed by another key. */
function createClaims(store: Pick<Store, "submit">, clock: Clock, tell: (told: Omit<ToldClaims, "holder">) => void) {
  const waiting = new Map<string, { claims: number; unwritten: number; from: string }>();
  let timer: Timer | undefined;
  const write = async () => {
    timer = undefined;
    const nowMs = Math.round(clock.wallMs());
    const claimed = [...waiting];
    waiting.clear();
    const writes = claimed.map(async ([nodeId, { claims, unwritten, from }]) => {
      tell({ nodeId, from, claims });
      if (unwritten === 0) return;
      // What could not be written is counted again by the next claim; the metric has it.
      await store.submit("countRefusedClaims", { nodeId, claims: unwritten, nowMs, from }).catch(() => undefined);
    });
    await Promise.all(writes);
  };
  return {
    /** One claim, of which the store has yet to hear of so many. */
    count(nodeId: string, from: string, unwritten: 0 | 1) {
      const before = waiting.get(nodeId) ?? { claims: 0, unwritten: 0 };
      waiting.set(nodeId, { claims: before.claims + 1, unwritten: before.unwritten + unwritten, from });
      timer ??= clock.after(CLAIMS_EVERY_MS, () => void write());
    },
    async stop() {
      timer?.cancel();
      await write();
    },
  };
}

function hex(key: Uint8Array): string {
  return Buffer.from(key).toString("hex");
}
