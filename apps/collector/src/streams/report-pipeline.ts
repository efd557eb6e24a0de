/**
 * The reports of one stream, from their arrival to their acknowledgement.
 *
 * 1. A report is acknowledged after it is durable, never before (U1). What the store cannot take ends the stream; nothing is lost.
 * 2. A node over its quota is not read on until it is within it; its agent is told that its reports are held back. Late reports are set
 *    aside a little before that, so that live ones of the same stream go on.
 * 3. Under overload late reports wait at the gate, encoded as they came, and hold up no live one behind them.
 * 4. Opening and counting a report is work that nodes take turns at (turns.ts); the next is read when this one has been opened.
 * 5. Few reports have no answer at a time ({@link MAX_IN_FLIGHT}), whether the store is slow or the agent does not read its answers (S2).
 */
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { type Respond, RpcError, RpcStatus, type ServiceImplementation } from "@lifeline/rpc";
import type { Report, reportPb } from "@lifeline/wire";
import type { SelfMetrics } from "../export/self-metrics.ts";
import { nextOffsetMs } from "../fleet/clock-offset.ts";
import { type Fleet, type Node, nodeNowMs } from "../fleet/fleet.ts";
import type { Judging } from "../judging/judging.ts";
import { isLate } from "../judging/late-judging.ts";
import { type IndexedWindow, REPORT_WAITS_MAX_MS } from "../store/record.ts";
import type { Store } from "../store/store.ts";
import { admitReport, type ReportVerdict, sentAtMsOf } from "./admission.ts";
import type { BacklogGate, Waiting } from "./backlog-limiter.ts";
import { createHeldNotice, type HeldNotice } from "./flow-control-notice.ts";
import { lateWaitMs, reportWaitMs, spendIndex, spendReport, spendWindows } from "./quota.ts";
import type { Turns } from "./turns.ts";

/**
 * After how many reports, bytes of them, or opened windows of one stream without an answer no more are read: further ones wait in the agent's
 * spool. Of 96 windows each 64 reports are 6,144, some 7 MB opened.
 */
const MAX_IN_FLIGHT = { reports: 64, bytes: 2 * 1024 * 1024, windows: 6_144 } as const;

/** How long after a stream was held back its messages may have been under way for that, ms: what lies in its buffers goes at once. */
const HELD_MS = 60_000;

type ReportService = ServiceImplementation<typeof reportPb.ReportService>;
type Send = Respond<Parameters<Parameters<ReportService["stream"]>[1]>[0]>;

/** What a lane needs. */
export interface LaneParts {
  readonly fleet: Fleet;
  readonly judging: Judging;
  readonly store: Store;
  readonly vitals: SelfMetrics;
  /** Where late reports wait under overload, those of all streams. */
  readonly backlog: BacklogGate;
  readonly turns: Turns;
  readonly clock: Clock;
}

/** A report with when and for whom it came. */
interface Arrival {
  readonly node: Node;
  readonly envelope: reportPb.ReportEnvelope;
  readonly atMs: number;
}

type Admitted = Extract<ReportVerdict, { kind: "admitted" }>;

/** The reports of one stream. */
export class ReportLane {
  readonly #parts: LaneParts;
  readonly #send: Send;
  readonly #end: (error: RpcError) => void;
  readonly #notice: HeldNotice;
  readonly #acknowledge: ReturnType<typeof acknowledging>;
  readonly #inFlight = new Set<Promise<void>>();
  #bytes = 0;
  #windows = 0;
  /** Late reports that are set aside. */
  readonly #aside = new Set<Waiting>();
  /** Resolves when the one that was set aside last has been dealt with. */
  #lastAside: Promise<void> = Promise.resolve();
  readonly #closing = new AbortController();
  /** Resolves when something has changed that may end a wait, and is replaced then: a promise of the whole stream would keep all who waited. */
  #changed = Promise.withResolvers<void>();
  /** What wakes this lane when there is room. */
  readonly #rooms = new WeakSet<Promise<void>>();
  #heldAtNs = Number.NEGATIVE_INFINITY;
  #lastNode: Node | undefined;

  /** `end` ends the stream. */
  constructor(parts: LaneParts, send: Send, end: (error: RpcError) => void) {
    this.#parts = parts;
    this.#send = send;
    this.#end = end;
    this.#notice = createHeldNotice(parts.clock, () => send({ message: { case: "ack", value: {} } }));
    this.#acknowledge = acknowledging(send);
  }

  /** Opens a report and hands it to the store; resolves when the lane has room again. */
  async take(node: Node, envelope: reportPb.ReportEnvelope): Promise<void> {
    const { clock } = this.#parts;
    this.#lastNode = node;
    const waitMs = () => reportWaitMs(node.quota, node.plan.targets.length, clock.monotonicNs());
    node.quota.isThrottled = waitMs() > 0;
    if (node.quota.isThrottled) await this.#throttle(waitMs);
    if (this.#isClosed) return;
    const arrival = { node, envelope, atMs: clock.wallMs() };
    spendReport(node.quota, envelope.report.length);
    const verdict = await this.#open(arrival);
    if (this.#isClosed) return;
    this.#begin(this.#answer(arrival, verdict), envelope.report.length);
    await this.#makeRoom();
  }

  /** Resolves when every report taken has been answered. */
  async settled(): Promise<void> {
    await Promise.all(this.#inFlight);
  }

  /** The stream has ended: what waits is given up. */
  close(): void {
    this.#closing.abort();
    this.#wake();
    this.#notice.stop();
    for (const place of this.#aside) place.giveUp();
    if (this.#lastNode !== undefined) this.#lastNode.quota.isThrottled = false;
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  #open({ node, envelope, atMs }: Arrival): Promise<ReportVerdict> {
    return this.#parts.turns.run("report", node, () => admitReport(envelope, atMs));
  }

  #begin(answer: Promise<void>, bytes: number): void {
    this.#bytes += bytes;
    const answered = answer
      .catch((error: unknown) => this.#end(endingOf(error)))
      .finally(() => {
        this.#inFlight.delete(answered);
        this.#bytes -= bytes;
        this.#wake();
      });
    this.#inFlight.add(answered);
  }

  async #answer(arrival: Arrival, verdict: ReportVerdict): Promise<void> {
    const { node, envelope, atMs } = arrival;
    const { vitals, clock } = this.#parts;
    if (verdict.kind === "refused") {
      const { code, field, detail } = verdict;
      const { bootId, sequence } = envelope;
      vitals.refusedReports.inc({ code });
      return this.#send({ message: { case: "refusal", value: { report: { bootId, sequence }, code, field, detail } } });
    }
    if (verdict.isAhead) vitals.futureDated.inc();
    const mayBeDelayed = clock.monotonicNs() - this.#heldAtNs < HELD_MS * NS_PER_MS;
    node.clockOffsetMs = offsetOf(arrival, verdict, mayBeDelayed);
    const sentMs = sentAtMsOf(envelope);
    if (sentMs !== undefined && !mayBeDelayed) node.clockTold = { sentMs, atNs: clock.monotonicNs() };
    const { windows } = verdict.report;
    if (isLate(windows, nodeNowMs(node, atMs))) return this.#answerLate(arrival, verdict);
    spendWindows(node.quota, windows.length);
    return this.#keep(arrival, verdict);
  }

  #answerLate(arrival: Arrival, verdict: Admitted): Promise<void> {
    const { quota } = arrival.node;
    const { length } = verdict.report.windows;
    const mayGo = this.#aside.size === 0 && this.#lateWaitMs(arrival.node) === 0 && this.#parts.backlog.enter();
    if (!mayGo) return this.#setAside(arrival, length);
    spendWindows(quota, length);
    return this.#keepLate(arrival, verdict);
  }

  /**
   * Holds on to the bytes alone, for what they say when opened takes many times as much; and opens it when the others that were set aside
   * have been dealt with, the node is within its reserve, and the gate is open.
   */
  async #setAside(arrival: Arrival, windows: number): Promise<void> {
    const { vitals, backlog } = this.#parts;
    vitals.deferredReports.inc();
    const ready = this.#lastAside.then(() => this.#withinReserve(arrival.node, windows));
    const { promise, resolve: dealtWith } = Promise.withResolvers<void>();
    this.#lastAside = promise;
    const place = backlog.wait(arrival.envelope.report.length, ready);
    this.#aside.add(place);
    this.#notice.hold();
    const hasTurn = await place.turn;
    this.#notice.release();
    this.#aside.delete(place);
    try {
      if (hasTurn) await this.#openLate(arrival);
    } finally {
      dealtWith();
    }
  }

  async #openLate(arrival: Arrival): Promise<void> {
    const verdict = await this.#open(arrival);
    if (verdict.kind === "admitted") return this.#keepLate(arrival, verdict);
    this.#parts.backlog.leave();
    throw new TypeError("a report that was admitted is refused by the same rules");
  }

  /** Resolves when late windows of the node may be stored, and takes so many; or when the stream has ended. */
  async #withinReserve(node: Node, windows: number): Promise<void> {
    for (let waitMs = this.#lateWaitMs(node); waitMs > 0 && !this.#isClosed; waitMs = this.#lateWaitMs(node)) {
      await pause(this.#parts.clock, waitMs, this.#closing.signal);
    }
    if (!this.#isClosed) spendWindows(node.quota, windows);
  }

  #lateWaitMs({ quota, plan }: Node): number {
    return lateWaitMs(quota, plan.targets.length, this.#parts.clock.monotonicNs());
  }

  #keepLate(arrival: Arrival, verdict: Admitted): Promise<void> {
    return this.#keep(arrival, verdict).finally(() => this.#parts.backlog.leave());
  }

  async #keep(arrival: Arrival, verdict: Admitted): Promise<void> {
    const { length } = verdict.report.windows;
    this.#windows += length;
    try {
      await this.#store(arrival, verdict);
    } finally {
      this.#windows -= length;
    }
  }

  async #store({ node, envelope, atMs }: Arrival, { report, sequence }: Admitted): Promise<void> {
    const { fleet, judging, store, vitals, turns } = this.#parts;
    const { bootId } = envelope;
    const windows = plannedWindows(node, report);
    const windowCount = report.windows.length;
    spendIndex(node.quota, windows.length);
    const identity = { nodeId: node.nodeId, bootId, sequence };
    const { length: bytes } = envelope.report;
    let room = store.room(bytes);
    if (room !== undefined) vitals.overflows.inc({ what: "store-queue" });
    // Nothing is waited for between the last look and the submission: others that were woken would see the same room.
    for (; room !== undefined && !this.#isClosed; room = store.room(bytes)) await this.#woken(room);
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
      await turns.run("report", node, () => fleet.absorb(node, report, atMs, true));
      judging.touch(node);
    }
    // A duplicate too: the one before may have been stored right before the end of the collector that had it.
    const isKnown = result !== "conflicting";
    if (isKnown && isLate(report.windows, nodeNowMs(node, atMs))) await judging.replay(node, report.windows);
    return this.#acknowledge({ bootId, sequence: envelope.sequence });
  }

  /** Waits until the node is within its quota, or its stream has ended. */
  async #throttle(waitMsNow: () => number): Promise<void> {
    const { vitals, clock } = this.#parts;
    vitals.throttledReports.inc();
    this.#notice.hold();
    for (let waitMs = waitMsNow(); waitMs > 0 && !this.#isClosed; waitMs = waitMsNow()) {
      await pause(clock, waitMs, this.#closing.signal);
    }
    this.#notice.release();
    this.#heldAtNs = clock.monotonicNs();
  }

  /** Waits until there is room for more of this stream's reports. */
  async #makeRoom(): Promise<void> {
    const { backlog, vitals, clock } = this.#parts;
    const { reports, bytes, windows } = MAX_IN_FLIGHT;
    const isFull = () => this.#inFlight.size >= reports || this.#bytes >= bytes || this.#windows >= windows;
    while (isFull() && !this.#isClosed) {
      await this.#changed.promise;
      this.#heldAtNs = clock.monotonicNs();
    }
    const full = () => (this.#aside.size > 0 ? backlog.full() : undefined);
    let room = full();
    if (room !== undefined) vitals.overflows.inc({ what: "deferred-reports" });
    for (; room !== undefined && !this.#isClosed; room = full()) {
      await this.#woken(room);
      this.#heldAtNs = clock.monotonicNs();
    }
  }

  /** Resolves when there may be room, or something else has changed. Those of this lane that wait for the same room share one reaction to it. */
  #woken(room: Promise<void>): Promise<void> {
    if (!this.#rooms.has(room)) {
      this.#rooms.add(room);
      void room.then(() => this.#wake());
    }
    return this.#changed.promise;
  }
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
