/** The methods compared with the capture: one table, one function per method. */

import { readCpuNs } from "@lifeline/harness";
import type { CapturedPacket, DelayedPath } from "@lifeline/lab";
import type { RttSource } from "@lifeline/measure";
import { BenchError } from "../bench-error.ts";
import { startExporter } from "../blackbox.ts";
import { readEchoes, readHandshakes, readStamps } from "../captured-exchange.ts";
import { FPING } from "../debian-packages.ts";
import { readLines } from "../line-reader.ts";
import { ownProgram } from "../own-program.ts";
import type { ExporterReports, ProberAnswer, ProberOrder } from "../prober-report.ts";
import type { Workshop } from "../workshop.ts";
import { createFpingReport, fpingArguments } from "./fping-report.ts";
import { type Pairing, pairEchoes, pairHandshakes } from "./pairing.ts";

/** Where a method does its work. */
export interface MethodInput {
  readonly workshop: Workshop;
  readonly path: DelayedPath;
  /** The listener's port on the server's address. */
  readonly port: number;
  /** The STAMP reflector's port on the server's address. */
  readonly reflectorPort: number;
  /** Probes to make. */
  readonly probes: number;
}

/** What a method reported; `pair` holds it against the capture. */
export interface Reported {
  readonly pair: (packets: readonly CapturedPacket[]) => Pairing;
  /** Processor time for each probe, ns; undefined where it would be another's (a blocked loop's). */
  readonly cpuNsPerProbe: number | undefined;
}

/** One method of measuring. */
export interface Method {
  readonly id: string;
  readonly title: string;
  readonly report: (turn: MethodInput) => Promise<Reported>;
}

/** The exporter's default port. It is always free, because the bench has a network namespace of its own. */
const EXPORTER_PORT = 9_115;
/** fping's probes a second. */
const FPING_PER_SECOND = 20;
/** The longest a method may take for one probe, pause included, ms; with the start's. */
const PROBE_MAX_MS = 1_500;
const START_MAX_MS = 20_000;

/** All methods, in the order they are shown. */
export const METHODS: readonly Method[] = [
  {
    id: "lifeline-kernel-idle",
    title: "Lifeline, kernel's handshake RTT, idle",
    report: lifeline("tcp", "kernel", false),
  },
  {
    id: "lifeline-kernel-blocked",
    title: "Lifeline, kernel's handshake RTT, loop blocked",
    report: lifeline("tcp", "kernel", true),
  },
  { id: "lifeline-fallback-idle", title: "Lifeline without koffi, idle", report: lifeline("tcp", "monotonic", false) },
  {
    id: "lifeline-fallback-blocked",
    title: "Lifeline without koffi, loop blocked",
    report: lifeline("tcp", "monotonic", true),
  },
  { id: "lifeline-stamp-idle", title: "Lifeline, STAMP, idle", report: lifeline("stamp", "kernel", false) },
  { id: "lifeline-stamp-blocked", title: "Lifeline, STAMP, loop blocked", report: lifeline("stamp", "kernel", true) },
  { id: "fping", title: "fping (ICMP echo)", report: fping },
  { id: "blackbox_exporter", title: "blackbox_exporter (tcp_connect)", report: blackboxExporter },
];

function lifeline(kind: ProberOrder["probe"], source: RttSource, blocked: boolean): Method["report"] {
  return async ({ workshop, path, port: tcpPort, reflectorPort, probes }) => {
    const port = kind === "tcp" ? tcpPort : reflectorPort;
    const kernelStamps = source === "kernel";
    const order: ProberOrder = { address: path.serverAddress, port, probe: kind, probes, blocked, kernelStamps };
    const prober = workshop.start(ownProgram("prober", order, path.clientNamespace));
    const answer = await readLines(workshop.clock, prober).next(START_MAX_MS + probes * PROBE_MAX_MS);
    const { reports, sources, cpuNs } = JSON.parse(answer) as ProberAnswer;
    if (sources.length !== 1 || sources[0] !== source) {
      throw new BenchError("child-failed", `prober: round trips are ${sources.join(" and ")}; expected ${source}`);
    }
    await prober.end();
    return {
      pair: (packets) =>
        pairHandshakes(reports, kind === "tcp" ? readHandshakes(packets, port) : readStamps(packets, port)),
      cpuNsPerProbe: blocked ? undefined : cpuNs / probes,
    };
  };
}

async function fping({ workshop, path, probes }: MethodInput): Promise<Reported> {
  const process = workshop.start({
    name: FPING.command,
    command: FPING.command,
    args: fpingArguments(path.serverAddress, FPING_PER_SECOND),
    namespace: path.clientNamespace,
  });
  const lines = readLines(workshop.clock, process);
  const report = createFpingReport();
  let first: { readonly cpuNs: number; readonly probes: number } | undefined;
  try {
    while (report.rttsNs.length < probes) {
      report.line(await lines.next(START_MAX_MS));
      if (first === undefined && report.rttsNs.length > 0) {
        // Its reports come a second's probes at a time.
        first = { cpuNs: await readCpuNs(process.pid), probes: FPING_PER_SECOND };
      }
    }
  } catch (error) {
    // The next prober's capture must not contain this process's echoes.
    await process.end();
    throw error;
  }
  const cpuNs = (await readCpuNs(process.pid)) - (first?.cpuNs ?? 0);
  await process.end();
  const rttsNs = report.rttsNs.slice(0, probes);
  const counted = Math.ceil(probes / FPING_PER_SECOND) * FPING_PER_SECOND - (first?.probes ?? 0);
  return {
    pair: (packets) => pairEchoes(rttsNs, readEchoes(packets)),
    cpuNsPerProbe: counted > 0 ? cpuNs / counted : undefined,
  };
}

async function blackboxExporter({ workshop, path, port, probes }: MethodInput): Promise<Reported> {
  const exporter = await startExporter(workshop, EXPORTER_PORT, { namespace: path.clientNamespace });
  const order = { exporterPort: EXPORTER_PORT, target: `${path.serverAddress}:${port}`, probes };
  const client = workshop.start(ownProgram("exporter-client", order, path.clientNamespace));
  const lines = readLines(workshop.clock, client);
  const answered = (maxMs: number) => Promise.race([lines.next(maxMs), exporter.failure]);
  await answered(START_MAX_MS);
  const startCpuNs = await readCpuNs(exporter.pid);
  const { reports } = JSON.parse(await answered(START_MAX_MS + probes * PROBE_MAX_MS)) as ExporterReports;
  const cpuNs = (await readCpuNs(exporter.pid)) - startCpuNs;
  await client.end();
  await exporter.end();
  return {
    pair: (packets) => pairHandshakes(reports, readHandshakes(packets, port)),
    cpuNsPerProbe: cpuNs / probes,
  };
}
