/** How often each node may probe, so that all together stay polite (P1). Pure. */
import type { Requirement, Resolution, ResolvedRow } from "@lifeline/catalogue";
import type { ProbeKind, Target } from "@lifeline/measure";

/** What one endpoint bears from all agents together, attempts a second. */
export interface ProbeBudgets {
  /** Anything through the tunnel. */
  readonly tunnelPerS: number;
  /** Connects and datagrams. */
  readonly connectPerS: number;
  /** TLS, HTTP and gRPC exchanges, which cost the server a handshake each. */
  readonly handshakePerS: number;
}

/** The stated budgets (P1): a TLS handshake is some 0.5 ms of a server's core, so 50 a second are 2.5 % of one. */
export const DEFAULT_BUDGETS: ProbeBudgets = { tunnelPerS: 2_000, connectPerS: 500, handshakePerS: 50 };

/** Cadences are whole multiples of this, ms, so that a slightly larger fleet is not a new plan. */
const CADENCE_STEP_MS = 100;

/** Longest cadence a target may have, ms (Target). */
const MAX_CADENCE_MS = 3_600_000;

type Budget = keyof ProbeBudgets;

const BUDGET_OF: Readonly<Record<ProbeKind, Budget>> = {
  dns: "connectPerS",
  tcp: "connectPerS",
  udp: "connectPerS",
  stamp: "connectPerS",
  link: "tunnelPerS",
  mtu: "handshakePerS",
  tls: "handshakePerS",
  http: "handshakePerS",
  grpc: "handshakePerS",
};

/**
 * The resolution with cadences for a fleet: each at least its own, and so long that `fleetSize` nodes with the same targets stay
 * within the budget of every endpoint. The fleet is counted up to the next power of two: a plan changes only when it doubles.
 */
export function paced(resolution: Resolution, fleetSize: number, budgets: ProbeBudgets = DEFAULT_BUDGETS): Resolution {
  const agents = 2 ** Math.ceil(Math.log2(Math.max(1, fleetSize)));
  const perEndpoint = new Map<string, number>();
  for (const row of resolution.rows) {
    for (const target of targetsOf(row)) {
      const key = endpointKey(row.requirement, target);
      perEndpoint.set(key, (perEndpoint.get(key) ?? 0) + 1);
    }
  }
  const pace = (requirement: Requirement, target: Target): Target => {
    const attempts = agents * (perEndpoint.get(endpointKey(requirement, target)) ?? 1);
    const fairMs = (attempts / budgets[budgetOf(requirement, target)]) * 1_000;
    const steppedMs = Math.ceil(fairMs / CADENCE_STEP_MS) * CADENCE_STEP_MS;
    return { ...target, cadenceMs: Math.min(MAX_CADENCE_MS, Math.max(target.cadenceMs, steppedMs)) };
  };
  const rows = resolution.rows.map((row) =>
    row.kind === "targets" ? { ...row, targets: row.targets.map((target) => pace(row.requirement, target)) } : row,
  );
  return { ...resolution, rows };
}

function targetsOf(row: ResolvedRow): readonly Target[] {
  return row.kind === "targets" ? row.targets : [];
}

/** Both families of a name are one endpoint: the same service bears them. */
function endpointKey(requirement: Requirement, target: Target): string {
  return `${target.host} ${target.port} ${budgetOf(requirement, target)}`;
}

function budgetOf({ place }: Requirement, { options }: Target): Budget {
  return place.kind === "service" && place.service === "in-tunnel" ? "tunnelPerS" : BUDGET_OF[options.probe];
}
