/**
 * The reports of one stream, from their arrival to their acknowledgement.
 *
 * 1. A report is acknowledged after it is durable, never before (U1). What the store cannot take ends the stream; nothing is lost.
 * 2. A node over its quota is not read on until it is within it; its agent is told that its reports are held back.
 * 3. Under overload late reports wait at the gate, encoded as they came, and hold up no live one behind them.
 * 4. At most {@link MAX_IN_FLIGHT} reports have no answer, whether the store is slow or the agent does not read its answers (S2).
 */
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { type Respond, RpcError, RpcStatus, type ServiceImplementation } from "@lifeline/rpc";
import type { Report, reportPb } from "@lifeline/wire";
import { admitReport, type ReportVerdict, sentAtMsOf } from "./admit.ts";
import type { BacklogGate, Waiting } from "./backlog-gate.ts";
import { nextOffsetMs } from "./clock-offset.ts";
import { type Fleet, type Node, nodeNowMs } from "./fleet.ts";
import { createHeldNotice } from "./held-notice.ts";
import type { Judging } from "./judging.ts";
import { reportWaitMs, spendReport, spendWindows } from "./quota.ts";
import { isLate } from "./replay.ts";
import { type IndexedWindow, REPORT_WAITS_MAX_MS } from "./store/record.ts";
import type { Store } from "./store/store.ts";
import type { CollectorVitals } from "./vitals.ts";

/** Most reports of one stream that wait for the store at once: further ones wait in the agent's spool. */
const MAX_IN_FLIGHT = 64;

/** How long after a stream was held back its messages may have been under way for that, ms: what lies in its buffers goes at once. */
const HELD_MS = 60_000;

type ReportService = ServiceImplementation<typeof reportPb.ReportService>;
type Send = Respond<Parameters<Parameters<ReportService["stream"]>[1]>[0]>;

/** What a lane needs. */
export interface LaneParts {
  readonly fleet: Fleet;
  readonly judging: Judging;
  readonly store: Store;
  readonly vitals: CollectorVitals;
  /** Where late reports wait under overload, those of all streams. */
  readonly backlog: BacklogGate;
  readonly clock: Clock;
}

export interface ReportLane {
  /** Admits a report and hands it to the store; resolves when the lane has room again. */
  take(node: Node, envelope: reportPb.ReportEnvelope): Promise<void>;
  /** Resolves when every report taken has been answered. */
  settled(): Promise<void>;
  /** The stream has ended: what waits is given up. */
  close(): void;
}

/** A report with when and for whom it came. */
interface Arrival {
  readonly node: Node;
  readonly envelope: reportPb.ReportEnvelope;
  readonly atMs: number;
}

type Admitted = Extract<ReportVerdict, { kind: "admitted" }>;

/** Opens a lane; `end` ends its stream. */
export function createReportLane(parts: LaneParts, send: Send, end: (error: RpcError) => void): ReportLane {
  const { fleet, judging, store, vitals, backlog, clock } = parts;
  const inFlight = new Set<Promise<void>>();
  const places = new Set<Waiting>();
  const closing = new AbortController();
  const closed = new Promise<void>((resolve) =>
    closing.signal.addEventListener("abort", () => resolve(), { once: true }),
  );
  const notice = createHeldNotice(clock, () => send({ message: { case: "ack", value: {} } }));
  const acknowledge = acknowledging(send);
  let heldAtNs = Number.NEGATIVE_INFINITY;
  let lastNode: Node | undefined;

  const keep = async ({ node, envelope, atMs }: Arrival, { report, sequence }: Admitted): Promise<void> => {
    const { bootId } = envelope;
    const windows = plannedWindows(node, report);
    spendWindows(node.quota, windows.length);
    const windowCount = report.windows.length;
    const identity = { nodeId: node.nodeId, bootId, sequence };
    const times = { receivedAtMs: atMs, sealedAtMs: report.sealedAtMs, clockOffsetMs: node.clockOffsetMs };
    const result = await store
      .submit("saveReport", { ...identity, ...times, payload: envelope.report, windowCount, windows })
      .catch(unavailable);
    // The store has forgotten the node: the Hello of the next stream saves it again.
    if (result === "no-node") throw new RpcError(RpcStatus.UNAVAILABLE, "the store does not know the node any more");
    vitals.reports.inc({ result });
    if (result === "stored") {
      const { lastReportMs = 0 } = node;
      const isOvertaken = lastReportMs > atMs && lastReportMs <= atMs + REPORT_WAITS_MAX_MS;
      if (!isOvertaken) node.lastReportMs = atMs;
      fleet.absorb(node, report, atMs, true);
      judging.touch(node);
    }
    // A duplicate too: the one before may have been stored right before the end of the collector that had it.
    const isKnown = result !== "conflicting";
    if (isKnown && isLate(report.windows, nodeNowMs(node, atMs))) await judging.replay(node, report.windows);
    return acknowledge({ bootId, sequence: envelope.sequence });
  };
  const keepLate = (arrival: Arrival, verdict: Admitted): Promise<void> =>
    keep(arrival, verdict).finally(() => backlog.leave());
  /** Holds on to the bytes alone: what they say when opened takes many times as much. */
  const waitAndKeep = async (arrival: Arrival): Promise<void> => {
    vitals.deferredReports.inc();
    const place = backlog.wait(arrival.envelope.report.length);
    places.add(place);
    notice.hold();
    const hasTurn = await place.turn;
    notice.release();
    places.delete(place);
    if (!hasTurn) return;
    const verdict = admitReport(arrival.envelope, arrival.atMs);
    if (verdict.kind === "admitted") return keepLate(arrival, verdict);
    backlog.leave();
    throw new TypeError("a report that was admitted is refused by the same rules");
  };
  const answer = async (arrival: Arrival): Promise<void> => {
    const { node, envelope, atMs } = arrival;
    const verdict = admitReport(envelope, atMs);
    if (verdict.kind === "refused") {
      const { code, field, detail } = verdict;
      const { bootId, sequence } = envelope;
      vitals.refusedReports.inc({ code });
      return send({ message: { case: "refusal", value: { report: { bootId, sequence }, code, field, detail } } });
    }
    if (verdict.isAhead) vitals.futureDated.inc();
    const mayBeDelayed = clock.monotonicNs() - heldAtNs < HELD_MS * NS_PER_MS;
    node.clockOffsetMs = offsetOf(arrival, verdict, mayBeDelayed);
    const sentMs = sentAtMsOf(envelope);
    if (sentMs !== undefined && !mayBeDelayed) node.clockTold = { sentMs, atNs: clock.monotonicNs() };
    if (!isLate(verdict.report.windows, nodeNowMs(node, atMs))) return keep(arrival, verdict);
    return backlog.enter() ? keepLate(arrival, verdict) : waitAndKeep(arrival);
  };
  const waitMsOf = (node: Node) => reportWaitMs(node.quota, node.plan.targets.length, clock.monotonicNs());
  /** Waits until the node is within its quota, or its stream has ended. */
  const throttle = async (node: Node): Promise<void> => {
    vitals.throttledReports.inc();
    node.quota.isThrottled = true;
    notice.hold();
    for (let waitMs = waitMsOf(node); waitMs > 0 && !closing.signal.aborted; waitMs = waitMsOf(node)) {
      await pause(clock, waitMs, closing.signal);
    }
    notice.release();
    heldAtNs = clock.monotonicNs();
  };
  /** Waits until there is room for more of this stream's reports. */
  const makeRoom = async (): Promise<void> => {
    while (inFlight.size >= MAX_IN_FLIGHT && !closing.signal.aborted) {
      await Promise.race([...inFlight, closed]);
      heldAtNs = clock.monotonicNs();
    }
    for (let room = backlog.full(); room !== undefined && places.size > 0; room = backlog.full()) {
      vitals.overflows.inc({ what: "deferred-reports" });
      await Promise.race([room, closed]);
      heldAtNs = clock.monotonicNs();
    }
  };
  return {
    async take(node, envelope) {
      lastNode = node;
      if (waitMsOf(node) > 0) await throttle(node);
      else node.quota.isThrottled = false;
      if (closing.signal.aborted) return;
      spendReport(node.quota, envelope.report.length);
      const answered = answer({ node, envelope, atMs: clock.wallMs() })
        .catch((error: unknown) => end(endingOf(error)))
        .finally(() => inFlight.delete(answered));
      inFlight.add(answered);
      await makeRoom();
    },
    settled: async () => {
      await Promise.all(inFlight);
    },
    close() {
      closing.abort();
      notice.stop();
      for (const place of places) place.giveUp();
      if (lastNode !== undefined) lastNode.quota.isThrottled = false;
    },
  };
}

/** Acknowledges in one message all that one transaction made durable: its promises resolve within one turn. */
function acknowledging(send: Send): (key: { bootId: Uint8Array; sequence: bigint }) => Promise<void> {
  let acks: { bootId: Uint8Array; sequence: bigint }[] = [];
  let acking: Promise<void> = Promise.resolve();
  return (key) => {
    acks.push(key);
    if (acks.length === 1) {
      acking = Promise.resolve().then(() => {
        const reports = acks;
        acks = [];
        return send({ message: { case: "ack", value: { reports } } });
      });
    }
    return acking;
  };
}

/** The windows that the index shall know: those of the plan, for a node could make up targets without end (S2). */
function plannedWindows({ plan }: Node, { windows }: Report): IndexedWindow[] {
  const planned = new Set(plan.targets.map(({ id }) => id));
  return windows.flatMap(({ targetId, startMs, endMs }, position) =>
    planned.has(targetId) ? [{ targetId, position, startMs, endMs }] : [],
  );
}

/**
 * The node's clock offset after a report; of an agent that does not say when it sent, at least what a date up to a day ahead of now tells. What was
 * held back here has been under way for so long, and says only what its clock is at most behind.
 */
function offsetOf(
  { node: { clockOffsetMs }, envelope, atMs }: Arrival,
  { report: { sealedAtMs }, isAhead }: Admitted,
  mayBeDelayed: boolean,
): number | undefined {
  const sentMs = sentAtMsOf(envelope);
  if (sentMs === undefined) {
    const aheadMs = Math.round(sealedAtMs - atMs);
    return aheadMs > 0 && !isAhead ? Math.min(clockOffsetMs ?? 0, -aheadMs) : clockOffsetMs;
  }
  const isMoreThanKept = clockOffsetMs !== undefined && atMs - sentMs > clockOffsetMs;
  return mayBeDelayed && isMoreThanKept ? clockOffsetMs : nextOffsetMs(clockOffsetMs, sentMs, atMs);
}

/** What the store cannot take now, the agent keeps and sends again. */
export function unavailable(): never {
  throw new RpcError(RpcStatus.UNAVAILABLE, "the store cannot take more now");
}

function endingOf(error: unknown): RpcError {
  // Sending to a caller that went away fails as an abort; the stream is over either way.
  return error instanceof RpcError ? error : new RpcError(RpcStatus.CANCELLED, "the call has ended");
}
