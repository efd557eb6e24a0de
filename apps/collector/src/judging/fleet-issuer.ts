/**
 * Which issuer most of the fleet sees at a target: a node that sees another one is being intercepted, or is the first to see a change.
 *
 * 1. A node has one voice for each target, what it saw last, and only while that is fresh: nodes that are away must not outvote a
 *    certificate's renewal.
 * 2. Counted as it comes, so that asking costs nothing that grows with the fleet; bounded in nodes for each target (S2).
 */

/** Nodes that must agree at least, and the share of those that see a certificate there. */
const LEAST_NODES = 3;
const SHARE = 2 / 3;

/** Nodes heard for each target; beyond it these stand for the rest. */
const MAX_NODES_PER_TARGET = 1_024;

/** How long a node's voice counts, ms: the longest cadence that a target may have. */
export const ISSUER_FRESH_MS = 3_600_000;

/** What a node has seen at a target, and when by the collector's clock, ms since the epoch. */
export interface SeenIssuer {
  readonly issuer: string;
  readonly atMs: number;
}

/** Issuers by target and node. */
export interface FleetIssuers {
  /** What a node sees now, by target id; targets that are not in it are those it no longer has. */
  saw(nodeId: string, issuers: ReadonlyMap<string, SeenIssuer>): void;
  /** The issuer that most see; undefined where too few do, or they disagree. */
  of(targetId: string): string | undefined;
  /** Forgets what was seen longer than {@link ISSUER_FRESH_MS} before `nowMs`, or after it, by a clock that was set back since or lies. */
  forgetStale(nowMs: number): void;
}

export function createFleetIssuers(): FleetIssuers {
  const voices = new Map<string, Map<string, SeenIssuer>>();
  const counts = new Map<string, Map<string, number>>();
  const votersOf = (targetId: string) => [...(counts.get(targetId)?.values() ?? [])].reduce((sum, of) => sum + of, 0);
  const count = (targetId: string, issuer: string, by: 1 | -1) => {
    const issuers = counts.get(targetId) ?? new Map<string, number>();
    const total = (issuers.get(issuer) ?? 0) + by;
    if (total > 0) counts.set(targetId, issuers.set(issuer, total));
    else if (issuers.delete(issuer) && issuers.size === 0) counts.delete(targetId);
  };
  const drop = (nodeId: string, isGone: (targetId: string, seen: SeenIssuer) => boolean) => {
    const own = voices.get(nodeId);
    for (const [targetId, seen] of own ?? []) {
      if (!isGone(targetId, seen)) continue;
      own?.delete(targetId);
      count(targetId, seen.issuer, -1);
    }
    if (own?.size === 0) voices.delete(nodeId);
  };
  const note = (own: Map<string, SeenIssuer>, targetId: string, seen: SeenIssuer) => {
    const before = own.get(targetId);
    if (before === undefined && votersOf(targetId) >= MAX_NODES_PER_TARGET) return;
    own.set(targetId, seen);
    if (before?.issuer === seen.issuer) return;
    if (before !== undefined) count(targetId, before.issuer, -1);
    count(targetId, seen.issuer, 1);
  };
  return {
    saw(nodeId, issuers) {
      drop(nodeId, (targetId) => !issuers.has(targetId));
      const own = voices.get(nodeId) ?? new Map<string, SeenIssuer>();
      for (const [targetId, seen] of issuers) note(own, targetId, seen);
      if (own.size > 0) voices.set(nodeId, own);
    },
    of(targetId) {
      const voters = votersOf(targetId);
      const agreed = [...(counts.get(targetId) ?? [])].find(([, of]) => of >= LEAST_NODES && of >= voters * SHARE);
      return agreed?.[0];
    },
    forgetStale(nowMs) {
      for (const nodeId of voices.keys()) drop(nodeId, (_, { atMs }) => Math.abs(atMs - nowMs) > ISSUER_FRESH_MS);
    },
  };
}
