/** Which issuer most of the fleet sees at a target: a node that sees another one is being intercepted, or is the first to see a change. */

/** Nodes that must agree at least, and the share of those that see a certificate there. */
const LEAST_NODES = 3;
const SHARE = 2 / 3;

/** Nodes remembered for each target; beyond it the issuer is told by those (S2). */
const MAX_NODES_PER_TARGET = 1_024;

/** Issuers by target and node. */
export interface FleetIssuers {
  /** A node has seen a certificate of `issuer` at a target. */
  saw(nodeId: string, targetId: string, issuer: string): void;
  /** The issuer that most see; undefined where too few do, or they disagree. */
  of(targetId: string): string | undefined;
  /** Forgets a node. */
  forget(nodeId: string): void;
}

export function createFleetIssuers(): FleetIssuers {
  const seen = new Map<string, Map<string, string>>();
  return {
    saw(nodeId, targetId, issuer) {
      const nodes = seen.get(targetId) ?? new Map<string, string>();
      if (!nodes.has(nodeId) && nodes.size >= MAX_NODES_PER_TARGET) return;
      seen.set(targetId, nodes.set(nodeId, issuer));
    },
    of(targetId) {
      const nodes = seen.get(targetId);
      if (nodes === undefined || nodes.size < LEAST_NODES) return undefined;
      const counts = new Map<string, number>();
      for (const issuer of nodes.values()) counts.set(issuer, (counts.get(issuer) ?? 0) + 1);
      const [most] = [...counts].sort(([, a], [, b]) => b - a);
      const isAgreed = most !== undefined && most[1] >= LEAST_NODES && most[1] >= nodes.size * SHARE;
      return isAgreed ? most[0] : undefined;
    },
    forget(nodeId) {
      for (const [targetId, nodes] of seen) if (nodes.delete(nodeId) && nodes.size === 0) seen.delete(targetId);
    },
  };
}
