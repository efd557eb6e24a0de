/** One node as the rest of the collector reads it. Only node-state.ts writes. */
import { type LearnedRedirect, type NodeFacts, type Resolution, resolvedTargets } from "@lifeline/catalogue";
import type { RpcError } from "@lifeline/rpc";
import {
  DEFAULT_THRESHOLDS,
  type IncidentState,
  lookbackMsOf,
  type PreviousVerdict,
  type RowVerdict,
  staleAfterMsOf,
} from "@lifeline/verdict";
import type { Plan } from "@lifeline/wire";
import type { Quota } from "../streams/quota.ts";
import type { BootHistory } from "./boot-history.ts";
import { RECENT_MS, type RecentWindows } from "./recent-windows.ts";
import type { NodeCounters } from "./target-counters.ts";

/** A node counts towards the fleet's cadence for so long after its last report, ms. */
const ACTIVE_MS = 10 * 60_000;

/** Windows are kept for so long beyond the lookback, ms. */
const LOOKBACK_MARGIN_MS = 60_000;

/** A connected agent's stream, as far as the fleet needs it. */
export interface Session {
  /** Sends a plan, unless the agent has it already. */
  offerPlan(plan: Plan): void;
  /** Ends the stream with a status. */
  end(error: RpcError): void;
}

/** What a node's clock read, ms since the epoch, and when the message arrived, ns of the monotonic clock. */
export interface ClockSample {
  readonly sentMs: number;
  readonly atNs: number;
}

/** What a node says of itself in its Hello. */
export interface NodeDescription {
  readonly facts: NodeFacts;
  readonly hostname: string;
  readonly agentVersion: string;
  /** Addresses at which others may observe it, beside that of its stream. */
  readonly addresses: readonly string[];
  /** Where Talos observes its WireGuard peer, host:port; undefined: not known. */
  readonly observedEndpoint: string | undefined;
}

/** Where a node was observed: what is stored of it beside its facts. */
export type ObservedFrom = Pick<Node, "addresses" | "peerAddress" | "observedEndpoint">;

export interface Node extends NodeDescription {
  readonly nodeId: string;
  /** Where its latest stream comes from; undefined: not known. */
  readonly peerAddress: string | undefined;
  readonly boots: Pick<BootHistory, "duplicate">;
  readonly firstSeenMs: number;
  /** When its latest report arrived; undefined: none has. */
  readonly lastReportMs: number | undefined;
  /** Hosts that its endpoints redirect to, as its windows show them; `facts` has those that are planned. */
  readonly redirects: readonly LearnedRedirect[];
  readonly resolution: Resolution;
  readonly plan: Plan;
  readonly recent: Pick<RecentWindows, "of" | "copy">;
  /** By target; what it reported since the collector started. */
  readonly counters: Pick<NodeCounters, "of">;
  /** What it may bring in, over all its streams. */
  readonly quota: Quota;
  /** Whether its last report had to wait because the node is over its quota. */
  readonly isThrottled: boolean;
  /** How far the node's clock is behind the collector's, ms; negative: ahead. Undefined: not known. */
  readonly clockOffsetMs: number | undefined;
  /** From its latest message since the collector started that was not held back; undefined: none. */
  readonly clockSample: ClockSample | undefined;
  /** The same from its latest message of all, which may have been held back for minutes. */
  readonly roughClockSample: ClockSample | undefined;
  readonly rows: readonly RowVerdict[];
  readonly previous: ReadonlyMap<string, PreviousVerdict>;
  readonly incidents: IncidentState;
  /** Targets whose incident may not be opened yet (judging/incident-limit.ts). */
  readonly deferredIncidents: ReadonlySet<string>;
  readonly session: Session | undefined;
}

/** What the node's own clock reads when the collector's reads `wallMs`: the clock that labelled its windows. */
export function nodeNowMs({ clockOffsetMs }: Pick<Node, "clockOffsetMs">, wallMs: number): number {
  return wallMs - (clockOffsetMs ?? 0);
}

/** How long windows of each planned target are kept, ms: the lookback and a minute more, at least {@link RECENT_MS}. */
export function lookbacksOf({ resolution }: Pick<Node, "resolution">): ReadonlyMap<string, number> {
  const entries = resolvedTargets(resolution).map(({ id, cadenceMs }): [string, number] => {
    const lookbackMs = lookbackMsOf(DEFAULT_THRESHOLDS, cadenceMs);
    return [id, Math.max(RECENT_MS, lookbackMs + LOOKBACK_MARGIN_MS)];
  });
  return new Map(entries);
}

/**
 * How long the node's facts hold after its latest report, ms: as long as the windows of its most frequent target.
 */
function factsHoldMs({ resolution }: Pick<Node, "resolution">): number {
  const cadences = resolvedTargets(resolution).map(({ cadenceMs }) => cadenceMs);
  return staleAfterMsOf(DEFAULT_THRESHOLDS, cadences.length === 0 ? 0 : Math.min(...cadences));
}

/** When the node goes silent unless it reports, ms since the epoch by the collector's clock; undefined: not known. */
export function silentAtMs(node: Pick<Node, "resolution" | "lastReportMs">): number | undefined {
  return node.lastReportMs === undefined ? undefined : node.lastReportMs + factsHoldMs(node);
}

/**
 * Whether the node last reported too long before `nowMs`, or after it: then a clock was set since. A node that is
 * connected and has not reported yet is not silent.
 */
export function isSilent(node: Pick<Node, "resolution" | "lastReportMs" | "session">, nowMs: number): boolean {
  if (node.lastReportMs === undefined) return node.session === undefined;
  return Math.abs(nowMs - node.lastReportMs) > factsHoldMs(node);
}

/**
 * Whether the node is connected, or reported within ten minutes of `nowMs`, before or after: a clock may have been set
 * since.
 */
export function isActive(
  { session, lastReportMs = 0 }: Pick<Node, "session" | "lastReportMs">,
  nowMs: number,
): boolean {
  return session !== undefined || Math.abs(nowMs - lastReportMs) < ACTIVE_MS;
}
