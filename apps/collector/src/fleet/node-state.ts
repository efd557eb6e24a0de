/**
 * The only writer of nodes: what each event changes.
 *
 * 1. A node's state follows from its events alone: no clock, no store, no randomness is read here. The same events give
 *    the same state.
 * 2. A report changes its node in place. Nothing is copied: 10,000 nodes report all the time.
 */
import { type LearnedRedirect, learnRedirect, type NodeFacts, resolvedTargets } from "@lifeline/catalogue";
import { NS_PER_MS } from "@lifeline/measure";
import { rowKey } from "@lifeline/verdict";
import type { Window } from "@lifeline/window";
import { makePlan } from "@lifeline/wire";
import { REPORT_WAITS_MAX_MS } from "../store/record.ts";
import { createQuota } from "../streams/quota.ts";
import { BootHistory } from "./boot-history.ts";
import { paced } from "./cadence.ts";
import { lookbacksOf, type Node, type NodeDescription, nodeNowMs } from "./node.ts";
import type { NodeEvent } from "./node-events.ts";
import { RECENT_MS, RecentWindows } from "./recent-windows.ts";
import type { SeriesBudget } from "./series-budget.ts";
import { TargetBudget } from "./target-budget.ts";
import { NodeCounters } from "./target-counters.ts";

/** What found no room in a node. */
export type NodeOverflow = "series" | "recent-windows" | "targets" | "unplanned-windows";

/** What all nodes of a fleet have in common. */
export interface NodeOptions {
  /** Of each node's quota, bytes. Default BYTES_CAPACITY. */
  readonly quotaBytes?: number | undefined;
  readonly series: SeriesBudget;
  readonly onOverflow: (what: NodeOverflow) => void;
}

/** The node with what only this module may touch. */
type NodeState = { -readonly [K in keyof Node]: Node[K] } & {
  readonly boots: BootHistory;
  readonly recent: RecentWindows;
  readonly counters: NodeCounters;
  /** Which targets it may have. */
  readonly budget: TargetBudget;
  readonly onOverflow: NodeOptions["onOverflow"];
};

type Of<K extends NodeEvent["kind"]> = Extract<NodeEvent, { kind: K }>;

/** A node that was first seen at `nowMs`. Its plan is empty until it is `planned`. */
export function createNode(description: NodeDescription, nowMs: number, options: NodeOptions): Node {
  const { quotaBytes, series, onOverflow } = options;
  const { facts, hostname, agentVersion, addresses, observedEndpoint } = description;
  const state: NodeState = {
    nodeId: facts.nodeId,
    facts,
    hostname,
    agentVersion,
    addresses,
    observedEndpoint,
    peerAddress: undefined,
    boots: new BootHistory(),
    firstSeenMs: nowMs,
    lastReportMs: undefined,
    redirects: facts.redirects ?? [],
    resolution: { catalogueVersion: "", rows: [] },
    plan: makePlan([]),
    recent: new RecentWindows(),
    counters: new NodeCounters(series),
    quota: createQuota(quotaBytes),
    isThrottled: false,
    clockOffsetMs: undefined,
    clockSample: undefined,
    roughClockSample: undefined,
    rows: [],
    previous: new Map(),
    incidents: new Map(),
    deferredIncidents: new Set(),
    session: undefined,
    budget: new TargetBudget(),
    onOverflow,
  };
  return state;
}

export function applyNodeEvent(node: Node, event: NodeEvent): void {
  // Every node was made by createNode, which gives out the read-only half of the state.
  const state = node as NodeState;
  switch (event.kind) {
    case "described":
      describe(state, event);
      break;
    case "redirects-kept":
      keepRedirects(state, event);
      break;
    case "planned":
      plan(state, event);
      break;
    case "stream-opened":
      openStream(state, event);
      break;
    case "session-started":
      state.session = event.session;
      break;
    case "session-ended":
      if (state.session === event.session) state.session = undefined;
      break;
    case "clock-observed":
      state.clockOffsetMs = event.offsetMs ?? state.clockOffsetMs;
      state.roughClockSample = event.sample ?? state.roughClockSample;
      if (!event.mayBeDelayed) state.clockSample = event.sample ?? state.clockSample;
      break;
    case "collector-clock-stepped":
      followStep(state, event);
      break;
    case "throttled":
      state.isThrottled = event.isThrottled;
      break;
    case "report-stored":
      noteReport(state, event);
      break;
    case "report-taken":
      takeReport(state, event);
      break;
    case "judged":
      judge(state, event);
      break;
    case "late-incident-opened":
      state.incidents = new Map(state.incidents).set(event.incident.targetId, event.incident);
      break;
    case "late-incident-closed":
      state.incidents = new Map([...state.incidents].filter(([targetId]) => targetId !== event.targetId));
      break;
    case "contact-rehydrated":
      rehydrateContact(state, event);
      break;
    case "verdicts-rehydrated":
      state.previous = event.previous;
      break;
    case "incidents-rehydrated":
      state.incidents = event.incidents;
      break;
    case "pruned":
      state.counters.clear();
      break;
    default:
      event satisfies never;
  }
}

function describe(state: NodeState, { description }: Of<"described">): void {
  // A Hello does not say what the node's windows have shown.
  state.facts = withRedirects(description.facts, description.facts.redirects ?? state.facts.redirects ?? []);
  state.hostname = description.hostname;
  state.agentVersion = description.agentVersion;
  state.addresses = description.addresses;
  state.observedEndpoint = description.observedEndpoint;
}

function keepRedirects(state: NodeState, { redirects }: Of<"redirects-kept">): void {
  state.redirects = redirects;
  state.facts = withRedirects(state.facts, redirects);
}

function withRedirects({ redirects: _, ...facts }: NodeFacts, redirects: readonly LearnedRedirect[]): NodeFacts {
  return redirects.length === 0 ? facts : { ...facts, redirects };
}

function plan(state: NodeState, { resolution, fleetSize, nowMs }: Of<"planned">): void {
  const fitted = state.budget.fit(resolution, nowMs);
  if (fitted.leftOut > 0) state.onOverflow("targets");
  state.resolution = paced(fitted.resolution, fleetSize);
  state.plan = makePlan(resolvedTargets(state.resolution));
  state.counters.keepOnly(new Set(state.plan.targets.map(({ id }) => id)));
}

function openStream(state: NodeState, { bootId, peerAddress, nowMs }: Of<"stream-opened">): void {
  state.peerAddress = peerAddress;
  const from = `${peerAddress ?? "an unknown address"} (${state.hostname || "no host name"})`;
  // Two machines have measured. The runs of the other one would decide until its windows are old.
  if (state.boots.opened(bootId, from, nowMs)) state.recent.clear();
}

/** A node that has sent since the start is known by the monotonic clock; of another only the last offset is known. */
function followStep(state: NodeState, { stepMs, nowMs, monotonicNs }: Of<"collector-clock-stepped">): void {
  const { clockSample: sample, clockOffsetMs } = state;
  if (clockOffsetMs === undefined) return;
  const readsMs = sample && sample.sentMs + (monotonicNs - sample.atNs) / NS_PER_MS;
  state.clockOffsetMs = Math.round(readsMs === undefined ? clockOffsetMs + stepMs : nowMs - readsMs);
}

/** Reports may be stored out of order; a time that is further ahead is of a clock that was set back since. */
function noteReport(state: NodeState, { receivedAtMs }: Of<"report-stored">): void {
  const { lastReportMs = 0 } = state;
  const isOvertaken = lastReportMs > receivedAtMs && lastReportMs <= receivedAtMs + REPORT_WAITS_MAX_MS;
  if (!isOvertaken) state.lastReportMs = receivedAtMs;
}

function takeReport(state: NodeState, { report, receivedAtMs, isCounted }: Of<"report-taken">): void {
  const nowMs = nodeNowMs(state, receivedAtMs);
  const latestMs = nowMs + RECENT_MS;
  const lookbacks = lookbacksOf(state);
  for (const window of report.windows) {
    learn(state, window);
    const lookbackMs = lookbacks.get(window.targetId);
    if (lookbackMs === undefined) {
      state.onOverflow("unplanned-windows");
      continue;
    }
    if (isCounted && !state.counters.add(window)) state.onOverflow("series");
    // A window that is dated ahead would take the place of a recent one, and be pruned at the next report.
    const isRecent = window.endMs > nowMs - lookbackMs && window.endMs <= latestMs;
    if (isRecent && !state.recent.add(window)) state.onOverflow("recent-windows");
  }
  state.recent.prune((targetId) => {
    const lookbackMs = lookbacks.get(targetId);
    return lookbackMs === undefined ? undefined : nowMs - lookbackMs;
  }, latestMs);
}

/** Where a window shows a redirect, its host is kept. */
function learn(state: NodeState, { targetId, last }: Window): void {
  if (last?.evidence.redirects === undefined) return;
  const target = state.plan.targets.find(({ id }) => id === targetId);
  if (target === undefined) return;
  state.redirects = learnRedirect(state.redirects, target, last.evidence, last.endedAtMs);
}

function judge(state: NodeState, { rows, incidents, deferredIncidents }: Of<"judged">): void {
  state.rows = rows;
  state.previous = new Map(rows.map((row) => [rowKey(row), row]));
  state.incidents = incidents;
  state.deferredIncidents = deferredIncidents;
}

function rehydrateContact(state: NodeState, { contact }: Of<"contact-rehydrated">): void {
  state.firstSeenMs = contact.firstSeenMs;
  state.lastReportMs = contact.lastReportMs;
  state.clockOffsetMs = contact.clockOffsetMs;
  state.peerAddress = contact.peerAddress;
}
