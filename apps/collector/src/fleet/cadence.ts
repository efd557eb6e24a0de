/** How often each node may probe, so that all together stay polite (P1). Pure. */
import type { Requirement, Resolution, ResolvedRow } from "@lifeline/catalogue";
import type { ProbeKind, Target } from "@lifeline/measure";

/** How many attempts a second all agents together may make at one endpoint. */
interface ProbeBudgets {
  /** Anything through the tunnel. */
  readonly tunnelPerS: number;
  /** Connects and datagrams. */
  readonly connectPerS: number;
  /**
   * TLS, HTTP and gRPC exchanges, which cost the server a handshake each; and searches for a path's MTU, of many
   * datagrams each.
   */
  readonly handshakePerS: number;
  /** Attempts at registries, of up to four requests each. Most are other people's, and limit a site's requests. */
  readonly registryPerS: number;
}

/** The stated budgets (P1): a TLS handshake is some 0.5 ms of a server's core, so 50 a second are 2.5 % of one. */
export const DEFAULT_BUDGETS: ProbeBudgets = {
  tunnelPerS: 2_000,
  connectPerS: 500,
  handshakePerS: 50,
  registryPerS: 5,
};

/** Cadences are whole multiples of this, ms, so that a slightly larger fleet is not a new plan. */
const CADENCE_STEP_MS = 100;

/** Longest cadence a target may have, ms (Target). */
const MAX_CADENCE_MS = 3_600_000;

type Budget = keyof ProbeBudgets;

/** Which budget an attempt takes from; undefined: none, because the node reads its own counters. */
const BUDGET_OF: Readonly<Record<ProbeKind, Budget | undefined>> = {
  dns: "connectPerS",
  tcp: "connectPerS",
  udp: "connectPerS",
  stamp: "connectPerS",
  link: undefined,
  mtu: "handshakePerS",
  tls: "handshakePerS",
  http: "handshakePerS",
  grpc: "handshakePerS",
  ntp: "connectPerS",
  nts: "handshakePerS",
  registry: "registryPerS",
};

/**
 * The resolution with cadences for a fleet: each at least its own, which may spare a peer's rate limit, and so long
 * that `fleetSize` nodes with the same targets stay within the budget of every endpoint, a proxy on the way included.
 * The fleet is counted up to the next power of two: a plan changes only when it doubles.
 */
export function paced(resolution: Resolution, fleetSize: number, budgets: ProbeBudgets = DEFAULT_BUDGETS): Resolution {
  const agents = 2 ** Math.ceil(Math.log2(Math.max(1, fleetSize)));
  const targetsAt = new Map<string, number>();
  for (const row of resolution.rows) {
    for (const { key } of targetsOf(row).flatMap((target) => costsOf(row.requirement, target))) {
      targetsAt.set(key, (targetsAt.get(key) ?? 0) + 1);
    }
  }
  const pace = (requirement: Requirement, target: Target): Target => {
    const fairMs = costsOf(requirement, target).map(
      ({ key, budget }) => ((agents * (targetsAt.get(key) ?? 1)) / budgets[budget]) * 1_000,
    );
    const steppedMs = Math.ceil(Math.max(0, ...fairMs) / CADENCE_STEP_MS) * CADENCE_STEP_MS;
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

/** One endpoint that an attempt costs something, and the budget it comes from. */
interface Cost {
  readonly key: string;
  readonly budget: Budget;
}

/**
 * Which endpoints pay for an attempt: none where the node reads its own counters. Both families of a name are one
 * endpoint.
 */
function costsOf({ place }: Requirement, { host, port, options, proxy }: Target): readonly Cost[] {
  const isInside = place.kind === "service" && place.service === "in-tunnel";
  const budget = isInside ? "tunnelPerS" : BUDGET_OF[options.probe];
  if (budget === undefined) return [];
  const own = { key: `${host} ${port} ${budget}`, budget };
  if (proxy === undefined) return [own];
  return [own, { key: `proxy ${proxy.host} ${proxy.port}`, budget: "connectPerS" }];
}
