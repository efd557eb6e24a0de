/**
 * Requests every target from an exporter once per period, evenly spread, as Prometheus does with that scrape interval.
 */
import { NS_PER_MS, pause } from "@lifeline/measure";
import { BenchError } from "../bench-error.ts";
import { createExporterClient, type ExporterModule } from "../blackbox.ts";
import type { Workshop } from "../workshop.ts";

/** ExporterLoad under way; ends with the workshop. */
export interface ExporterLoad {
  /** Rejects with `child-failed` when a probe fails; never resolves while the queries run. */
  readonly failure: Promise<never>;
}

/** One probe to request. */
export interface ExporterTarget {
  /** `address:port` */
  readonly target: string;
  readonly module: ExporterModule;
}

/** Starts the requests as soon as the exporter answers. */
export async function startExporterLoad(
  workshop: Workshop,
  exporterPort: number,
  targets: readonly ExporterTarget[],
  periodMs: number,
): Promise<ExporterLoad> {
  const { clock } = workshop;
  const exporter = createExporterClient(clock, exporterPort);
  await exporter.ready();
  const stop = new AbortController();
  const startedNs = clock.monotonicNs();
  const gapMs = periodMs / targets.length;
  // Each target at its own phase, as prometheus spreads its scrapes; a late one is made up for, so the rate stays.
  const ask = async ({ target, module }: ExporterTarget, index: number): Promise<void> => {
    for (let turn = 0; !stop.signal.aborted; turn += 1) {
      const dueNs = startedNs + (turn * periodMs + index * gapMs) * NS_PER_MS;
      await pause(clock, Math.max(0, (dueNs - clock.monotonicNs()) / NS_PER_MS), stop.signal);
      if (stop.signal.aborted) return;
      const { success } = await exporter.probe(target, module);
      if (!success) throw new BenchError("child-failed", `the exporter failed ${module} of ${target}`);
    }
  };
  const all = Promise.all(targets.map(ask));
  all.catch(() => undefined);
  workshop.onClose(async () => {
    stop.abort();
    exporter.close();
    await all.catch(() => undefined);
  });
  const failure = all.then(() => new Promise<never>(() => undefined));
  failure.catch(() => undefined);
  return { failure };
}
