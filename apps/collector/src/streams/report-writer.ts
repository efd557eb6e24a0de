/** Stores a report, then judges it, then acknowledges it (U1). */
import type { Clock } from "@lifeline/measure";
import { RpcError, RpcStatus } from "@lifeline/rpc";
import type { Report, reportPb } from "@lifeline/wire";
import type { SelfMetrics } from "../export/self-metrics.ts";
import { type Node, nodeNowMs } from "../fleet/node.ts";
import { applyNodeEvent } from "../fleet/node-state.ts";
import type { Judging } from "../judging/judging.ts";
import { isLate } from "../judging/late-judging.ts";
import type { IndexedWindow } from "../store/record.ts";
import type { Store } from "../store/store.ts";
import type { Acknowledger } from "./acknowledger.ts";
import type { NodeScheduler } from "./node-scheduler.ts";
import type { Notifier } from "./notifier.ts";
import { spendIndex } from "./quota.ts";
import type { AdmittedReport } from "./report-admission.ts";
import { unavailable } from "./store-answer.ts";

/** A report with when and from which node it arrived. */
export interface Arrival {
  readonly node: Node;
  readonly envelope: reportPb.ReportEnvelope;
  readonly atMs: number;
}

export interface WriterParts {
  readonly judging: Pick<Judging, "touch" | "judgeLate">;
  readonly store: Store;
  readonly selfMetrics: SelfMetrics;
  readonly scheduler: NodeScheduler;
  readonly clock: Clock;
}

/** Writes the reports of one stream. */
export class ReportWriter {
  readonly #parts: WriterParts;
  readonly #acknowledger: Acknowledger;
  readonly #changes: Notifier;
  readonly #closed: AbortSignal;

  /** `changes` is notified when `closed` aborts. */
  constructor(parts: WriterParts, acknowledger: Acknowledger, changes: Notifier, closed: AbortSignal) {
    this.#parts = parts;
    this.#acknowledger = acknowledger;
    this.#changes = changes;
    this.#closed = closed;
  }

  /** Resolves when the report is acknowledged. Rejects with an RpcError when the store cannot take it. */
  async write(arrival: Arrival, admitted: AdmittedReport): Promise<void> {
    const { node, envelope, atMs } = arrival;
    const { report } = admitted;
    const windows = plannedWindows(node, report);
    spendIndex(node.quota, windows.length);
    const result = await this.#save(arrival, admitted, windows);
    if (result === "stored") await this.#take(arrival, report);
    // A duplicate too: the first one may have been stored right before the collector that had it ended.
    const isKnown = result !== "conflicting";
    if (isKnown && isLate(report.windows, nodeNowMs(node, atMs))) {
      await this.#parts.judging.judgeLate(node, report.windows);
    }
    return this.#acknowledger.acknowledge({ bootId: envelope.bootId, sequence: envelope.sequence });
  }

  /**
   * Waits for room in the store's queue. Nothing is awaited between the last look and the submission: others would see
   * the same room.
   */
  async #save({ node, envelope, atMs }: Arrival, { report, sequence }: AdmittedReport, windows: IndexedWindow[]) {
    const { store, selfMetrics } = this.#parts;
    const { length: bytes } = envelope.report;
    let room = store.room(bytes);
    if (room !== undefined) selfMetrics.overflows.inc({ what: "store-queue" });
    for (; room !== undefined && !this.#closed.aborted; room = store.room(bytes)) {
      await this.#changes.changedOr(room);
    }
    const identity = { nodeId: node.nodeId, bootId: envelope.bootId, sequence };
    const times = { receivedAtMs: atMs, sealedAtMs: report.sealedAtMs, clockOffsetMs: node.clockOffsetMs };
    const content = { payload: envelope.report, windowCount: report.windows.length, windows };
    const result = await store.submit("saveReport", { ...identity, ...times, ...content }).catch(unavailable);
    // The store has pruned the node: the Hello of the next stream saves it again.
    if (result === "no-node") throw new RpcError(RpcStatus.UNAVAILABLE, "the store does not know the node any more");
    selfMetrics.reports.inc({ result });
    return result;
  }

  async #take({ node, atMs }: Arrival, report: Report): Promise<void> {
    const { judging, scheduler } = this.#parts;
    applyNodeEvent(node, { kind: "report-stored", receivedAtMs: atMs });
    const taken = { kind: "report-taken", report, receivedAtMs: atMs, isCounted: true } as const;
    await scheduler.run("report", node, () => applyNodeEvent(node, taken));
    judging.touch(node);
  }
}

/** Windows of planned targets: only these are indexed, because a node could make up targets without end (S2). */
function plannedWindows({ plan }: Node, { windows }: Report): IndexedWindow[] {
  const planned = new Set(plan.targets.map(({ id }) => id));
  return windows.flatMap(({ targetId, startMs, endMs }, position) =>
    planned.has(targetId) ? [{ targetId, position, startMs, endMs }] : [],
  );
}
