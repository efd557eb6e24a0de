/**
 * From windows to the spool: windows that were sealed together become reports, with the agent's self-metrics.
 *
 * A report is spooled before it is sent (U1).
 */
import { createHash } from "node:crypto";
import type { Clock } from "@lifeline/measure";
import type { Window } from "@lifeline/window";
import type { Logger } from "pino";
import type { Spool } from "../spool/spool.ts";
import type { Uplink } from "../uplink/uplink.ts";
import { encodeParts } from "./report-parts.ts";
import { SelfMetrics } from "./self-metrics.ts";

/** What a {@link Reporter} needs. */
export interface ReporterOptions {
  readonly spool: Spool;
  /** Undefined without a collector. */
  readonly uplink: Pick<Uplink, "wake" | "stats"> | undefined;
  readonly bootId: Uint8Array;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onDefect: (error: unknown) => void;
}

/** Spools reports. */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #selfMetrics: SelfMetrics;
  #sealedWindows = 0;
  #spooling: Promise<unknown> = Promise.resolve();

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#selfMetrics = new SelfMetrics(options.clock);
  }

  /** Windows reported since the start. */
  sealedWindows(): number {
    return this.#sealedWindows;
  }

  /** Spools windows that were sealed together, and wakes the uplink. */
  report(windows: readonly Window[], sealedAtMs: number, missedTicks: number): void {
    const { spool, uplink, onDefect } = this.#options;
    this.#sealedWindows += windows.length;
    const { heldBytes, heldReports, droppedReports, memoryReports } = spool.stats();
    const selfMetrics = this.#selfMetrics.read({
      spoolBytes: heldBytes,
      spoolReports: heldReports,
      spoolDroppedReports: droppedReports,
      spoolMemoryReports: memoryReports,
      missedTicks,
      refusedReports: uplink?.stats().refusedReports ?? 0,
    });
    const appends = encodeParts(sealedAtMs, windows, selfMetrics).map((part) => this.#append(part));
    this.#spooling = Promise.all([this.#spooling, ...appends]).then(() => uplink?.wake());
    this.#spooling.catch(onDefect);
  }

  /** Resolves when everything reported so far is in the spool. */
  async spooled(): Promise<void> {
    await this.#spooling;
  }

  /** Stops measuring the agent itself. */
  stop(): void {
    this.#selfMetrics.stop();
  }

  async #append(report: Uint8Array): Promise<void> {
    const { spool, bootId, log } = this.#options;
    const { sequence, where } = await spool.append(report);
    if (!log.isLevelEnabled("debug")) return;
    const reportSha256 = createHash("sha256").update(report).digest("hex");
    log.debug({ bootId: Buffer.from(bootId).toString("hex"), sequence, where, reportSha256 }, "report kept");
  }
}
