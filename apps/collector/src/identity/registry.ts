/**
 * Which key holds which node id, in memory as in the store.
 *
 * 1. The store decides, in one transaction; memory follows, so that the door needs no disk.
 * 2. What is revoked is refused from the moment it is durable, on every stream (S1).
 * 3. Claims of another key are counted and told, never obeyed: two nodes under one id are reported, not merged.
 */
import type { Clock, Timer } from "@lifeline/measure";
import type { ClientCertificate } from "@lifeline/wire";
import { peerAddress } from "../peer-address.ts";
import { ENROLMENTS_MAX } from "../store/identities.ts";
import type {
  EnrolClaim,
  EnrolmentRecord,
  EnrolOutcome,
  IdentityOperations,
  RenewClaim,
} from "../store/identity-record.ts";
import type { Store } from "../store/store.ts";

/** What a certificate may do. */
export type Standing = "good" | "revoked" | "another-key";

/** How often refused claims are written down, ms: a node that tries without end costs one row an age. */
const CLAIMS_EVERY_MS = 10_000;

/** Rows that are read at a time when the collector starts. */
const PAGE_ROWS = 10_000;

/** The enrolments of a collector. */
export interface Registry {
  isRevoked(keySha256: string): boolean;
  /** What the certificate of a node may do; `peer` is where it was shown. A good one of which nothing is known is kept from now on. */
  standingOf(certificate: ClientCertificate, peer: string): Promise<Standing>;
  /** Each rejects with a StoreError. */
  enrol(claim: EnrolClaim): Promise<EnrolOutcome>;
  renew(claim: RenewClaim): Promise<IdentityOperations["renew"]["output"]>;
  revoke(nodeId: string): Promise<EnrolmentRecord | undefined>;
  readmit(nodeId: string): Promise<EnrolmentRecord | undefined>;
  /** Nodes that were enrolled, and keys that were revoked. */
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
  /** Another key claims the id of a node. */
  readonly onRefusedClaim: (nodeId: string, from: string) => void;
}

interface Held {
  keySha256: string;
  isRevoked: boolean;
}

/** Opens the registry as the store has it. Rejects with a StoreError. */
export async function openRegistry(parts: RegistryParts): Promise<Registry> {
  const { store, clock, pinsKeys, onRefusedClaim } = parts;
  const held = new Map<string, Held>();
  const revokedKeys = new Set<string>();
  const remember = ({ nodeId, key, revokedAtMs }: EnrolmentRecord) => {
    held.set(nodeId, { keySha256: hex(key), isRevoked: revokedAtMs !== undefined });
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
  const claims = createClaims(store, clock);

  return {
    isRevoked: (keySha256) => revokedKeys.has(keySha256),
    async standingOf({ commonName: nodeId, keySha256, notAfterMs }, peer) {
      if (revokedKeys.has(keySha256)) return "revoked";
      const known = held.get(nodeId);
      if (known === undefined) {
        held.set(nodeId, { keySha256, isRevoked: false });
        const key = Buffer.from(keySha256, "hex");
        await store
          .submit("adopt", { nodeId, key, nowMs: Math.round(clock.wallMs()), notAfterMs })
          // Kept at its next stream, then: the certificate speaks for it today.
          .catch(() => held.delete(nodeId));
        return "good";
      }
      if (known.isRevoked) return "revoked";
      if (!pinsKeys || known.keySha256 === keySha256) return "good";
      const from = peerAddress(peer) ?? "";
      claims.count(nodeId, from);
      onRefusedClaim(nodeId, from);
      return "another-key";
    },
    async enrol(claim) {
      const outcome = await store.submit("enrol", claim);
      if (outcome.kind === "enrolled") remember(outcome.enrolment);
      else if (outcome.why === "another-key") onRefusedClaim(claim.nodeId, claim.from);
      return outcome;
    },
    renew: (claim) => store.submit("renew", claim),
    async revoke(nodeId) {
      const revoked = await store.submit("revokeNode", { nodeId, nowMs: Math.round(clock.wallMs()) });
      if (revoked !== undefined) {
        remember(revoked);
        revokedKeys.add(hex(revoked.key));
      }
      return revoked;
    },
    async readmit(nodeId) {
      const readmitted = await store.submit("readmitNode", { nodeId });
      if (readmitted !== undefined) remember(readmitted);
      return readmitted;
    },
    counts: () => ({ enrolments: held.size, revokedKeys: revokedKeys.size }),
    stop: () => claims.stop(),
  };
}

/** Counts by node, written together. Bounded: only ids that are held can be claimed by another key. */
function createClaims(store: Pick<Store, "submit">, clock: Clock) {
  const waiting = new Map<string, { claims: number; from: string }>();
  let timer: Timer | undefined;
  const write = async () => {
    timer = undefined;
    const nowMs = Math.round(clock.wallMs());
    const claimed = [...waiting];
    waiting.clear();
    const writes = claimed.map(([nodeId, { claims, from }]) =>
      // What could not be written is counted again by the next claim; the metric has it.
      store.submit("countRefusedClaims", { nodeId, claims, nowMs, from }).catch(() => undefined),
    );
    await Promise.all(writes);
  };
  return {
    count(nodeId: string, from: string) {
      waiting.set(nodeId, { claims: (waiting.get(nodeId)?.claims ?? 0) + 1, from });
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
