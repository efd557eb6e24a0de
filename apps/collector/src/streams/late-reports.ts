/**
 * The late reports of one stream. Those that may not be stored at once are set aside, so that live reports of the same
 * stream go on.
 *
 * 1. A late report is set aside while others of the stream are, while the node is below the reserve of its quota, or
 *    while the backlog limiter is closed (backlog-limiter.ts).
 * 2. Only its bytes are kept: decoded it takes many times as much. It is decoded again when its turn comes.
 * 3. They keep their order.
 */
import { type Clock, pause } from "@lifeline/measure";
import type { SelfMetrics } from "../export/self-metrics.ts";
import type { Node } from "../fleet/node.ts";
import type { BacklogLimiter, WaitingReport } from "./backlog-limiter.ts";
import type { FlowControlNotice } from "./flow-control-notice.ts";
import { lateWaitMs, spendWindows } from "./quota.ts";
import type { AdmittedReport, ReportVerdict } from "./report-admission.ts";
import type { Arrival } from "./report-writer.ts";

interface LateReportsParts {
  readonly backlog: BacklogLimiter;
  readonly selfMetrics: Pick<SelfMetrics, "deferredReports">;
  readonly clock: Clock;
}

/** What the pipeline does for them. */
interface LateReportSteps {
  /** Decodes and checks a report when the node's turn comes. */
  readonly open: (arrival: Arrival) => Promise<ReportVerdict>;
  /** Stores, judges and acknowledges it. */
  readonly keep: (arrival: Arrival, admitted: AdmittedReport) => Promise<void>;
}

/** Those of one stream. */
export class LateReports {
  readonly #parts: LateReportsParts;
  readonly #steps: LateReportSteps;
  readonly #notice: FlowControlNotice;
  readonly #closed: AbortSignal;
  readonly #aside = new Set<WaitingReport>();
  /** Resolves when the report that was set aside last has been handled. */
  #lastAside: Promise<void> = Promise.resolve();

  /** `closed` aborts when the stream has ended. */
  constructor(parts: LateReportsParts, steps: LateReportSteps, notice: FlowControlNotice, closed: AbortSignal) {
    this.#parts = parts;
    this.#steps = steps;
    this.#notice = notice;
    this.#closed = closed;
  }

  /** Reports that are set aside. */
  get waiting(): number {
    return this.#aside.size;
  }

  /** Resolves when the report is acknowledged, or the stream has ended. */
  take(arrival: Arrival, admitted: AdmittedReport): Promise<void> {
    const { node } = arrival;
    const { length } = admitted.report.windows;
    const mayGo = this.#aside.size === 0 && this.#waitMs(node) === 0 && this.#parts.backlog.enter();
    if (!mayGo) return this.#setAside(arrival, length);
    spendWindows(node.quota, length);
    return this.#keep(arrival, admitted);
  }

  /** The stream has ended. */
  giveUp(): void {
    for (const place of this.#aside) place.giveUp();
  }

  async #setAside(arrival: Arrival, windows: number): Promise<void> {
    const { selfMetrics, backlog } = this.#parts;
    selfMetrics.deferredReports.inc();
    const ready = this.#lastAside.then(() => this.#withinReserve(arrival.node, windows));
    const { promise, resolve: handled } = Promise.withResolvers<void>();
    this.#lastAside = promise;
    const place = backlog.wait(arrival.envelope.report.length, ready);
    this.#aside.add(place);
    this.#notice.hold();
    const hasTurn = await place.turn;
    this.#notice.release();
    this.#aside.delete(place);
    try {
      if (hasTurn) await this.#openAgain(arrival);
    } finally {
      handled();
    }
  }

  async #openAgain(arrival: Arrival): Promise<void> {
    const verdict = await this.#steps.open(arrival);
    if (verdict.kind === "admitted") return this.#keep(arrival, verdict);
    this.#parts.backlog.leave();
    throw new TypeError("a report that was admitted is refused by the same rules");
  }

  /** Resolves when late windows of the node may be stored, and takes so many; or when the stream has ended. */
  async #withinReserve(node: Node, windows: number): Promise<void> {
    for (let waitMs = this.#waitMs(node); waitMs > 0 && !this.#closed.aborted; waitMs = this.#waitMs(node)) {
      await pause(this.#parts.clock, waitMs, this.#closed);
    }
    if (!this.#closed.aborted) spendWindows(node.quota, windows);
  }

  #waitMs({ quota, plan }: Node): number {
    return lateWaitMs(quota, plan.targets.length, this.#parts.clock.monotonicNs());
  }

  #keep(arrival: Arrival, admitted: AdmittedReport): Promise<void> {
    return this.#steps.keep(arrival, admitted).finally(() => this.#parts.backlog.leave());
  }
}
