/**
 * The nodes the collector knows, in memory: what each is, what it should measure, what it showed lately, how it was judged.
 * Everything here can be rebuilt from the store.
 */
import { type NodeFacts, type Resolution, resolve, resolvedTargets } from "@lifeline/catalogue";
import type { RpcError } from "@lifeline/rpc";
import {
  DEFAULT_THRESHOLDS,
  type IncidentState,
  lookbackMsOf,
  type PreviousVerdict,
  type RowVerdict,
} from "@lifeline/verdict";
import { makePlan, type Plan, type Report, type Vitals } from "@lifeline/wire";
import type { Site } from "../judging/requirements.ts";
import type { Introduction } from "../streams/admission.ts";
import { createQuota, type Quota } from "../streams/quota.ts";
import { type BootHistory, createBootHistory } from "./boot-history.ts";
import { paced } from "./cadence.ts";
import { RECENT_MS, Recent } from "./recent-windows.ts";
import { TargetBudget } from "./target-budget.ts";
import { addToTally, emptyTally, type Tally } from "./target-counters.ts";

/** Most nodes known at once; those silent for the whole retention are forgotten. */
export const MAX_NODES = 20_000;

/** Most targets with series of their own over all nodes: some 23 lines of metrics each. */
export const MAX_SERIES = 100_000;

/** A node counts towards the fleet's cadence for so long after its last report, ms. */
const ACTIVE_MS = 10 * 60_000;

/** A connected agent's stream, as far as the fleet needs it. */
export interface Session {
  /** Sends a plan, unless the agent holds it already. */
  offerPlan(plan: Plan): void;
  /** Ends the stream with a status. */
  end(error: RpcError): void;
}

/** A reading of a node's clock, ms since the epoch, and when it came, ns. */
export interface ClockTold {
  readonly sentMs: number;
  readonly atNs: number;
}

/** One node. Mutable: the one place where its state lives. */
export interface Node {
  readonly nodeId: string;
  hostname: string;
  agentVersion: string;
  facts: NodeFacts;
  /** Where it may be seen from: what it says of itself, and where its latest stream came from. */
  addresses: readonly string[];
  peerAddress: string | undefined;
  /** Where Talos says that its WireGuard peer is. */
  observedEndpoint: string | undefined;
  readonly boots: BootHistory;
  firstSeenMs: number;
  /** When its latest report arrived. */
  lastReportMs: number | undefined;
  resolution: Resolution;
  plan: Plan;
  /** Which targets it may have. */
  readonly budget: TargetBudget;
  readonly recent: Recent;
  readonly tallies: Map<string, Tally>;
  /** What it may bring in, over all its streams. */
  readonly quota: Quota;
  vitals: Vitals | undefined;
  /** How far the node's clock is behind the collector's, ms; negative: ahead. Undefined: not known. */
  clockOffsetMs: number | undefined;
  /** What its clock read, by itself, when its latest message came by the monotonic clock. */
  clockTold: ClockTold | undefined;
  rows: readonly RowVerdict[];
  previous: ReadonlyMap<string, PreviousVerdict>;
  incidents: IncidentState;
  /** Targets whose incident it may not open now (incident-allowance.ts). */
  readonly leftOut: Set<string>;
  session: Session | undefined;
}

/** What a node's Hello and its stream tell beside its facts. */
export type SeenFrom = Pick<Node, "addresses" | "peerAddress" | "observedEndpoint">;

/** What the fleet could not keep, counted. */
export interface FleetOptions {
  /** Of each node's quota, bytes. Default BYTES_CAPACITY. */
  readonly quotaBytes?: number | undefined;
  onOverflow(what: "nodes" | "series" | "recent-windows" | "targets" | "unplanned-windows"): void;
}

export interface Fleet {
  /** All nodes, by id. */
  readonly nodes: ReadonlyMap<string, Node>;
  /** Whether {@link introduce} would take a node of that id. */
  hasRoomFor(nodeId: string): boolean;
  /** The node of that introduction, created or brought up to date; undefined when {@link MAX_NODES} are known. */
  introduce(introduction: Introduction, nowMs: number): Node | undefined;
  /** Takes a report that is durable. */
  absorb(node: Node, report: Report, receivedAtMs: number, counted: boolean): void;
  /** Recounts the fleet; when the cadences change, makes new plans and offers them. Says whether they did. */
  repace(nowMs: number): boolean;
  /** Drops those of the nodes that are not connected. */
  forget(nodeIds: Iterable<string>): void;
}

export function createFleet({ catalogue, deployment }: Site, { onOverflow, quotaBytes }: FleetOptions): Fleet {
  const nodes = new Map<string, Node>();
  let fleetSize = 1;
  let seriesCount = 0;

  const planned = (facts: NodeFacts, budget: TargetBudget, nowMs: number): { resolution: Resolution; plan: Plan } => {
    const fitted = budget.fit(resolve(catalogue, deployment, facts), nowMs);
    if (fitted.leftOut > 0) onOverflow("targets");
    const resolution = paced(fitted.resolution, fleetSize);
    return { resolution, plan: makePlan(resolvedTargets(resolution)) };
  };
  const replan = (node: Node, nowMs: number): Node => {
    Object.assign(node, planned(node.facts, node.budget, nowMs));
    const ids = new Set(node.plan.targets.map(({ id }) => id));
    for (const targetId of [...node.tallies.keys()]) {
      if (!ids.has(targetId) && node.tallies.delete(targetId)) seriesCount--;
    }
    return node;
  };
  const tallyOf = (node: Node, targetId: string): Tally | undefined => {
    const known = node.tallies.get(targetId);
    if (known !== undefined) return known;
    if (seriesCount >= MAX_SERIES) {
      onOverflow("series");
      return undefined;
    }
    seriesCount++;
    const tally = emptyTally();
    node.tallies.set(targetId, tally);
    return tally;
  };
  return {
    nodes,
    hasRoomFor(nodeId) {
      const hasRoom = nodes.has(nodeId) || nodes.size < MAX_NODES;
      if (!hasRoom) onOverflow("nodes");
      return hasRoom;
    },
    introduce({ facts, hostname, agentVersion, addresses, observedEndpoint }, nowMs) {
      const known = nodes.get(facts.nodeId);
      const told = { facts, hostname, agentVersion, addresses, observedEndpoint };
      if (known !== undefined) return replan(Object.assign(known, told), nowMs);
      if (nodes.size >= MAX_NODES) {
        onOverflow("nodes");
        return undefined;
      }
      const budget = new TargetBudget();
      const node = { ...newNode(facts, nowMs, quotaBytes), ...told, budget, ...planned(facts, budget, nowMs) };
      nodes.set(facts.nodeId, node);
      return node;
    },
    absorb(node, report, receivedAtMs, counted) {
      node.vitals = report.vitals;
      const nowMs = nodeNowMs(node, receivedAtMs);
      const latestMs = nowMs + RECENT_MS;
      const lookbacks = lookbacksOf(node);
      for (const window of report.windows) {
        const lookbackMs = lookbacks.get(window.targetId);
        if (lookbackMs === undefined) {
          onOverflow("unplanned-windows");
          continue;
        }
        const tally = counted ? tallyOf(node, window.targetId) : undefined;
        if (tally !== undefined) addToTally(tally, window);
        // What is dated ahead would take the place of what is recent, and go with the next look.
        const isRecent = window.endMs > nowMs - lookbackMs && window.endMs <= latestMs;
        if (isRecent && !node.recent.add(window)) onOverflow("recent-windows");
      }
      node.recent.prune((targetId) => {
        const lookbackMs = lookbacks.get(targetId);
        return lookbackMs === undefined ? undefined : nowMs - lookbackMs;
      }, latestMs);
    },
    repace(nowMs) {
      const size = [...nodes.values()].filter((node) => isActive(node, nowMs)).length;
      if (doublings(size) === doublings(fleetSize)) return false;
      fleetSize = size;
      for (const node of nodes.values()) {
        replan(node, nowMs);
        node.session?.offerPlan(node.plan);
      }
      return true;
    },
    forget(nodeIds) {
      for (const nodeId of nodeIds) {
        const node = nodes.get(nodeId);
        if (node === undefined || node.session !== undefined) continue;
        seriesCount -= node.tallies.size;
        nodes.delete(nodeId);
      }
    },
  };
}

/** What the node's own clock reads when the collector's reads `wallMs`: the clock that labelled its windows. */
export function nodeNowMs({ clockOffsetMs }: Node, wallMs: number): number {
  return wallMs - (clockOffsetMs ?? 0);
}

/** How long windows of each planned target are kept: the lookback and a minute more, at least {@link RECENT_MS}. */
export function lookbacksOf({ resolution }: Node): ReadonlyMap<string, number> {
  const entries = resolvedTargets(resolution).map(({ id, cadenceMs }): [string, number] => {
    const lookbackMs = lookbackMsOf(DEFAULT_THRESHOLDS, cadenceMs);
    return [id, Math.max(RECENT_MS, lookbackMs + 60_000)];
  });
  return new Map(entries);
}

/** Whether the node is connected, or reported within the last ten minutes; not one that did so by a clock that was ahead. */
export function isActive({ session, lastReportMs = 0 }: Node, nowMs: number): boolean {
  return session !== undefined || Math.abs(nowMs - lastReportMs) < ACTIVE_MS;
}

/** The power of two that a fleet of that size is counted as (see paced). */
function doublings(size: number): number {
  return Math.ceil(Math.log2(Math.max(1, size)));
}

function newNode(
  facts: NodeFacts,
  nowMs: number,
  quotaBytes: number | undefined,
): Omit<Node, "hostname" | "agentVersion" | "addresses" | "observedEndpoint" | "budget" | "resolution" | "plan"> {
  return {
    nodeId: facts.nodeId,
    facts,
    peerAddress: undefined,
    boots: createBootHistory(),
    firstSeenMs: nowMs,
    lastReportMs: undefined,
    recent: new Recent(),
    tallies: new Map(),
    quota: createQuota(quotaBytes),
    vitals: undefined,
    clockOffsetMs: undefined,
    clockTold: undefined,
    rows: [],
    previous: new Map(),
    incidents: new Map(),
    leftOut: new Set(),
    session: undefined,
  };
}
