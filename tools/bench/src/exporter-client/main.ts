/** Requests TCP probes from a blackbox_exporter one after another, and prints each result. */
import { NS_PER_MS, pause, systemClock } from "@lifeline/measure";
import { createExporterClient } from "../blackbox.ts";
import { answerAndEnd, liveAsLongAsStdin, readOrder } from "../own-program.ts";
import {
  type ExporterOrder,
  type ExporterReports,
  PAUSE_MIN_MS,
  PAUSE_SPREAD_MS,
  READY,
  type Report,
} from "../prober-report.ts";

async function main({ exporterPort, target, probes }: ExporterOrder): Promise<ExporterReports> {
  const clock = systemClock;
  const exporter = createExporterClient(clock, exporterPort);
  await exporter.ready();
  // What the exporter has used until now is its start, not our probes'.
  process.stdout.write(`${READY}\n`);
  const reports: Report[] = [];
  for (let made = 0; made < probes; made += 1) {
    await pause(clock, PAUSE_MIN_MS + Math.random() * PAUSE_SPREAD_MS);
    const startedAtMs = clock.wallMs();
    const startedNs = clock.monotonicNs();
    const { success, durationNs } = await exporter.probe(target);
    if (!success) throw new Error(`probe ${made} failed`);
    const endedAtMs = startedAtMs + (clock.monotonicNs() - startedNs) / NS_PER_MS;
    reports.push({ startedAtMs, endedAtMs, rttNs: durationNs });
  }
  return { reports };
}

liveAsLongAsStdin();
answerAndEnd(await main(readOrder<ExporterOrder>()));
