/**
 * The reports of one stream, from their arrival to their acknowledgement.
 *
 * 1. A report is acknowledged after it is durable, never before (U1). What the store cannot take ends the stream;
 *    nothing is lost.
 * 2. A node over its quota is not read until it is within it; its agent is informed that its reports are held back.
 *    Late reports are set aside a little before that, so that live ones of the same stream go on (late-reports.ts).
 * 3. Decoding and counting a report is work that nodes take turns at (node-scheduler.ts). The next report is read when
 *    this one has been decoded.
 * 4. Few reports have no answer at a time (in-flight-reports.ts).
 */
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { RpcError, RpcStatus } from "@lifeline/rpc";
import type { reportPb } from "@lifeline/wire";
import { type Node, nodeNowMs } from "../fleet/node.ts";
import { applyNodeEvent } from "../fleet/node-state.ts";
import { isLate } from "../judging/late-judging.ts";
import { Acknowledger } from "./acknowledger.ts";
import type { BacklogLimiter } from "./backlog-limiter.ts";
import { FlowControlNotice } from "./flow-control-notice.ts";
import { InFlightReports } from "./in-flight-reports.ts";
import { LateReports } from "./late-reports.ts";
import { Notifier } from "./notifier.ts";
import { reportWaitMs, spendReport, spendWindows } from "./quota.ts";
import { type AdmittedReport, admitReport, type RefusedReport, type ReportVerdict } from "./report-admission.ts";
import { offsetAfterReport, sentAtMsOf } from "./report-clock.ts";
import type { Send } from "./report-stream.ts";
import { type Arrival, ReportWriter, type WriterParts } from "./report-writer.ts";

/**
 * How long after a stream was held back its messages may have been delayed by that, ms: what lies in its buffers is
 * sent at once.
 */
const HELD_MS = 60_000;

export interface PipelineParts extends WriterParts {
  /** Where late reports of all streams wait under overload. */
  readonly backlog: BacklogLimiter;
  readonly clock: Clock;
}

/** The pipeline of one stream. */
export class ReportPipeline {
  readonly #parts: PipelineParts;
  readonly #send: Send;
  readonly #notice: FlowControlNotice;
  readonly #closing = new AbortController();
  readonly #changes = new Notifier();
  readonly #inFlight: InFlightReports;
  readonly #late: LateReports;
  readonly #writer: ReportWriter;
  #heldAtNs = Number.NEGATIVE_INFINITY;
  #node: Node | undefined;

  /** `end` ends the stream. */
  constructor(parts: PipelineParts, send: Send, end: (error: RpcError) => void) {
    const { signal } = this.#closing;
    this.#parts = parts;
    this.#send = send;
    this.#notice = new FlowControlNotice(parts.clock, () => send({ message: { case: "ack", value: {} } }));
    this.#inFlight = new InFlightReports(this.#changes, (error) => end(endingOf(error)));
    this.#writer = new ReportWriter(parts, new Acknowledger(send), this.#changes, signal);
    const open = (arrival: Arrival) => this.#open(arrival);
    const keep = (arrival: Arrival, admitted: AdmittedReport) => this.#keep(arrival, admitted);
    this.#late = new LateReports(parts, { open, keep }, this.#notice, signal);
  }

  /** Decodes a report and hands it to the store; resolves when the pipeline has room again. */
  async take(node: Node, envelope: reportPb.ReportEnvelope): Promise<void> {
    const { clock } = this.#parts;
    this.#node = node;
    await this.#throttle(node);
    if (this.#isClosed) return;
    const arrival = { node, envelope, atMs: clock.wallMs() };
    spendReport(node.quota, envelope.report.length);
    const verdict = await this.#open(arrival);
    if (this.#isClosed) return;
    this.#inFlight.begin(this.#answer(arrival, verdict), envelope.report.length);
    await this.#makeRoom();
  }

  /** Resolves when every report taken has been answered. */
  settled(): Promise<void> {
    return this.#inFlight.settled();
  }

  /** The stream has ended: reports that wait are given up. */
  close(): void {
    this.#closing.abort();
    this.#changes.notify();
    this.#notice.stop();
    this.#late.giveUp();
    if (this.#node !== undefined) setThrottled(this.#node, false);
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  #open({ node, envelope, atMs }: Arrival): Promise<ReportVerdict> {
    return this.#parts.scheduler.run("report", node, () => admitReport(envelope, atMs));
  }

  async #answer(arrival: Arrival, verdict: ReportVerdict): Promise<void> {
    if (verdict.kind === "refused") return this.#refuse(arrival, verdict);
    if (verdict.isAhead) this.#parts.selfMetrics.futureDated.inc();
    this.#observeClock(arrival, verdict);
    const { node, atMs } = arrival;
    const { windows } = verdict.report;
    if (isLate(windows, nodeNowMs(node, atMs))) return this.#late.take(arrival, verdict);
    spendWindows(node.quota, windows.length);
    return this.#keep(arrival, verdict);
  }

  #refuse({ envelope: { bootId, sequence } }: Arrival, { code, field, detail }: RefusedReport): Promise<void> {
    this.#parts.selfMetrics.refusedReports.inc({ code });
    return this.#send({ message: { case: "refusal", value: { report: { bootId, sequence }, code, field, detail } } });
  }

  #observeClock({ node, envelope, atMs }: Arrival, { report: { sealedAtMs }, isAhead }: AdmittedReport): void {
    const nowNs = this.#parts.clock.monotonicNs();
    const mayBeDelayed = nowNs - this.#heldAtNs < HELD_MS * NS_PER_MS;
    const sentMs = sentAtMsOf(envelope);
    const { clockOffsetMs: keptMs } = node;
    const offsetMs = offsetAfterReport({ keptMs, sentMs, receivedMs: atMs, sealedAtMs, isAhead, mayBeDelayed });
    const sample = sentMs === undefined ? undefined : { sentMs, atNs: nowNs };
    applyNodeEvent(node, { kind: "clock-observed", offsetMs, sample, mayBeDelayed });
  }

  #keep(arrival: Arrival, admitted: AdmittedReport): Promise<void> {
    return this.#inFlight.withWindows(admitted.report.windows.length, () => this.#writer.write(arrival, admitted));
  }

  /** Waits until the node is within its quota, or its stream has ended. */
  async #throttle(node: Node): Promise<void> {
    const { selfMetrics, clock } = this.#parts;
    const waitMsNow = () => reportWaitMs(node.quota, node.plan.targets.length, clock.monotonicNs());
    const isThrottled = waitMsNow() > 0;
    setThrottled(node, isThrottled);
    if (!isThrottled) return;
    selfMetrics.throttledReports.inc();
    this.#notice.hold();
    for (let waitMs = waitMsNow(); waitMs > 0 && !this.#isClosed; waitMs = waitMsNow()) {
      await pause(clock, waitMs, this.#closing.signal);
    }
    this.#notice.release();
    this.#heldAtNs = clock.monotonicNs();
  }

  /** Waits until there is room for more of this stream's reports. */
  async #makeRoom(): Promise<void> {
    const { backlog, selfMetrics } = this.#parts;
    while (this.#inFlight.isFull && !this.#isClosed) await this.#held(this.#changes.changed);
    const backlogRoom = () => (this.#late.waiting > 0 ? backlog.room() : undefined);
    let room = backlogRoom();
    if (room !== undefined) selfMetrics.overflows.inc({ what: "deferred-reports" });
    for (; room !== undefined && !this.#isClosed; room = backlogRoom()) await this.#held(this.#changes.changedOr(room));
  }

  async #held(until: Promise<void>): Promise<void> {
    await until;
    this.#heldAtNs = this.#parts.clock.monotonicNs();
  }
}

function setThrottled(node: Node, isThrottled: boolean): void {
  if (node.isThrottled !== isThrottled) applyNodeEvent(node, { kind: "throttled", isThrottled });
}

function endingOf(error: unknown): RpcError {
  // Sending to a caller that went away fails as an abort; the stream is over either way.
  return error instanceof RpcError ? error : new RpcError(RpcStatus.CANCELLED, "the call has ended");
}
