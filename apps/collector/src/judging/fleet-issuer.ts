/**
 * Which issuer most of the fleet observes at a target. A node that observes another one is intercepted, or is the first
 * to observe a change.
 *
 * 1. A node counts once for each target, by what it observed last, and only while that is fresh: nodes that are away
 *    must not outvote a certificate's renewal.
 * 2. Counts are kept up to date, so that a query costs nothing that grows with the fleet. They are bounded in nodes for
 *    each target (S2).
 */

/** Nodes that must agree at least, and the share of those that observe a certificate there. */
const LEAST_NODES = 3;
const SHARE = 2 / 3;

/** Nodes counted for each target; beyond it these stand for the rest. */
const MAX_NODES_PER_TARGET = 1_024;

/** How long an observation counts, ms: the longest cadence that a target may have. */
export const ISSUER_FRESH_MS = 3_600_000;

/** What a node observed at a target, and when by the collector's clock, ms since the epoch. */
export interface ObservedIssuer {
  readonly issuer: string;
  readonly atMs: number;
}

/** Issuers by target and node. */
export class FleetIssuers {
  /** By node and target. */
  readonly #observed = new Map<string, Map<string, ObservedIssuer>>();
  /** By target and issuer. */
  readonly #counts = new Map<string, Map<string, number>>();

  /** What a node observes now, by target id. Targets that are missing are those it no longer has. */
  observe(nodeId: string, issuers: ReadonlyMap<string, ObservedIssuer>): void {
    this.#drop(nodeId, (targetId) => !issuers.has(targetId));
    const own = this.#observed.get(nodeId) ?? new Map<string, ObservedIssuer>();
    for (const [targetId, observed] of issuers) this.#note(own, targetId, observed);
    if (own.size > 0) this.#observed.set(nodeId, own);
  }

  /** The issuer that most observe; undefined where too few do, or they disagree. */
  of(targetId: string): string | undefined {
    const nodes = this.#nodesOf(targetId);
    const agreed = [...(this.#counts.get(targetId) ?? [])].find(([, of]) => of >= LEAST_NODES && of >= nodes * SHARE);
    return agreed?.[0];
  }

  /**
   * Drops what is dated more than {@link ISSUER_FRESH_MS} before `nowMs`, or after it: a clock was set back since, or
   * lies.
   */
  prune(nowMs: number): void {
    for (const nodeId of this.#observed.keys()) {
      this.#drop(nodeId, (_, { atMs }) => Math.abs(atMs - nowMs) > ISSUER_FRESH_MS);
    }
  }

  #nodesOf(targetId: string): number {
    return [...(this.#counts.get(targetId)?.values() ?? [])].reduce((sum, of) => sum + of, 0);
  }

  #note(own: Map<string, ObservedIssuer>, targetId: string, observed: ObservedIssuer): void {
    const before = own.get(targetId);
    if (before === undefined && this.#nodesOf(targetId) >= MAX_NODES_PER_TARGET) return;
    own.set(targetId, observed);
    if (before?.issuer === observed.issuer) return;
    if (before !== undefined) this.#count(targetId, before.issuer, -1);
    this.#count(targetId, observed.issuer, 1);
  }

  #drop(nodeId: string, isGone: (targetId: string, observed: ObservedIssuer) => boolean): void {
    const own = this.#observed.get(nodeId);
    for (const [targetId, observed] of own ?? []) {
      if (!isGone(targetId, observed)) continue;
      own?.delete(targetId);
      this.#count(targetId, observed.issuer, -1);
    }
    if (own?.size === 0) this.#observed.delete(nodeId);
  }

  #count(targetId: string, issuer: string, by: 1 | -1): void {
    const issuers = this.#counts.get(targetId) ?? new Map<string, number>();
    const total = (issuers.get(issuer) ?? 0) + by;
    if (total > 0) this.#counts.set(targetId, issuers.set(issuer, total));
    else if (issuers.delete(issuer) && issuers.size === 0) this.#counts.delete(targetId);
  }
}
