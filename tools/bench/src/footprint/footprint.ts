/**
 * Resources of the agent and of a blackbox_exporter that makes the same probes at the same time.
 *
 * 1. Both probe the default plan's endpoints once per period (default: a second), each by TCP and by TLS, over IPv4 and
 *    IPv6. The listener counts the probes it received.
 * 2. Both run as they would on a node. The agent is bundled and has the image's flags, its plan, and acknowledgements
 *    from a collector over mutual TLS. It has a copy of the Node binary of its own: otherwise its pages would be shared
 *    with the bench's other Node processes and seem cheaper than they are.
 * 3. The bench queries the exporter over HTTP. The exporter's figures include neither the cost of that client nor of a
 *    Prometheus that would scrape and store the answers.
 * 4. The agent's second start is measured: it has enrolled, and reads the plan that the first start stored.
 */
import { freePort, type ProcessUsage, readUsage } from "@lifeline/harness";
import { NS_PER_MS, NS_PER_US, pause } from "@lifeline/measure";
import { BenchError } from "../bench-error.ts";
import { startExporter } from "../blackbox.ts";
import type { Listener } from "../counting-listener.ts";
import { BLACKBOX_EXPORTER, ensurePrograms } from "../debian-packages.ts";
import { distributionOf } from "../distribution.ts";
import type { BenchProcess, Workshop } from "../workshop.ts";
import { startExporterLoad } from "./exporter-load.ts";
import { type InstalledAgent, installAgent } from "./installed-agent.ts";
import { startPlanCollector } from "./plan-collector.ts";
import { type StandIns, startStandIns } from "./stand-ins.ts";

/**
 * Warm-up of both, ms: code is compiled, heaps reach their full size, and the agent frees what only its start needs.
 */
const WARMUP_MS = 30_000;
/** Interval between memory readings, ms. */
const LOOK_MS = 1_000;
/** Resolution of the time of the first probe, ms, and the longest wait for it, ms. */
const FIRST_LOOK_MS = 10;
const FIRST_MAX_MS = 30_000;
const LOOPBACK = "127.0.0.1";
const BYTES_PER_MB = 1_000_000;

/** What one side used. Memory is the median of readings a second apart, in MB of 10^6 bytes. */
export interface SideResult {
  readonly id: "lifeline-agent" | "blackbox_exporter";
  /** Connections the listener accepted from this side while it was measured. */
  readonly probes: number;
  readonly probesPerSecond: number;
  readonly rssMb: number;
  readonly pssMb: number;
  /** Pages no other process maps, clean (the binary's) and dirty. */
  readonly privateMb: number;
  /** Anonymous pages: heap and stacks, what swap or another binary would not give back. */
  readonly anonymousMb: number;
  /** Processor time in percent of one core. */
  readonly cpuPercent: number;
  readonly cpuUsPerProbe: number;
  /** The most at any reading. */
  readonly threads: number;
  readonly descriptors: number;
}

/** Every figure that is compared. */
const COMPARED = ["rssMb", "pssMb", "privateMb", "anonymousMb", "cpuPercent", "cpuUsPerProbe"] as const;

/** The whole result. */
export interface FootprintResult {
  readonly bench: "footprint";
  readonly targets: number;
  readonly seconds: number;
  readonly periodSeconds: number;
  /** Size of the agent's bundle, without koffi. */
  readonly bundleBytes: number;
  /** From the start of the agent's process to the first connection that a stand-in accepts, ms, to 10 ms. */
  readonly firstSampleMs: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly agent: SideResult;
  readonly exporter: SideResult;
  /** The agent's figure in units of the exporter's; below 1 is less. */
  readonly ratios: Readonly<Record<(typeof COMPARED)[number], number>>;
  readonly notes: readonly string[];
}

const NOTES = [
  "MB are 10^6 bytes, medians of readings a second apart; CPU is of all threads, in percent of one core",
  "half of the probes are TCP connects, half are TLS handshakes with the chain judged",
  "the agent schedules, measures, keeps windows, spools and reports by itself; the exporter's client and a prometheus are not in its figures",
  "the agent runs from a copy of the Node binary, so none of its pages are shared with the bench",
];

/** Measures both sides for `seconds` after a warm-up of 30 s. Throws `cannot-run` or `child-failed`. */
export async function measureFootprint(
  workshop: Workshop,
  seconds: number,
  periodSeconds: number,
): Promise<FootprintResult> {
  const versions = await ensurePrograms([BLACKBOX_EXPORTER], workshop.say);
  const standIns = await startStandIns(workshop);
  const installed = await installAgent(
    workshop,
    await startPlanCollector(workshop, standIns.forAgent, periodSeconds * 1_000),
    standIns,
  );
  const { agent, firstSampleMs } = await startTwice(workshop, installed, standIns);
  const exporterPort = await freePort(LOOPBACK);
  const exporter = await startExporter(workshop, exporterPort, { caFile: standIns.caFile });
  const targets = standIns.forExporter.flatMap((target) =>
    (["tcp_connect", "tls_connect"] as const).map((module) => ({ target, module })),
  );
  const load = await startExporterLoad(workshop, exporterPort, targets, periodSeconds * 1_000);

  const broken = Promise.race([agent.failure, exporter.failure, load.failure]);
  workshop.say(`footprint: warming up for ${WARMUP_MS / 1_000} s`);
  await Promise.race([pause(workshop.clock, WARMUP_MS), broken]);
  workshop.say(`footprint: measuring for ${seconds} s`);
  const sides = await Promise.race([observe(workshop, standIns, [agent, exporter], seconds), broken]);
  const [agentSide, exporterSide] = [sideOf("lifeline-agent", sides[0]), sideOf("blackbox_exporter", sides[1])];
  return {
    bench: "footprint",
    targets: targets.length,
    seconds,
    periodSeconds,
    bundleBytes: installed.bundleBytes,
    firstSampleMs,
    versions,
    agent: agentSide,
    exporter: exporterSide,
    ratios: ratiosOf(agentSide, exporterSide),
    notes: NOTES,
  };
}

/** Lets the agent enrol and keep its plan, ends it, and starts it again. */
export async function startTwice(
  workshop: Workshop,
  installed: InstalledAgent,
  { listener, forAgent }: StandIns,
): Promise<{ readonly agent: BenchProcess; readonly firstSampleMs: number }> {
  const first = installed.start();
  await Promise.race([untilProbed(workshop, listener, forAgent.length), first.failure]);
  await first.end();
  const before = sumOf((await listener.accepted()).slice(0, forAgent.length));
  const startedNs = workshop.clock.monotonicNs();
  const agent = installed.start();
  await Promise.race([untilProbed(workshop, listener, forAgent.length, before), agent.failure]);
  return { agent, firstSampleMs: (workshop.clock.monotonicNs() - startedNs) / NS_PER_MS };
}

/** Waits until the first `ports` have accepted more than `before` in all. */
async function untilProbed({ clock }: Workshop, listener: Listener, ports: number, before = 0): Promise<void> {
  for (let waitedMs = 0; waitedMs < FIRST_MAX_MS; waitedMs += FIRST_LOOK_MS) {
    if (sumOf((await listener.accepted()).slice(0, ports)) > before) return;
    await pause(clock, FIRST_LOOK_MS);
  }
  throw new BenchError("child-failed", `agent: no probe within ${FIRST_MAX_MS} ms`);
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

/** Readings of one side between two counts. */
export interface Observation {
  readonly probes: number;
  readonly elapsedNs: number;
  /** First to last, at least two. */
  readonly usages: readonly ProcessUsage[];
}

export async function observe(
  { clock }: Workshop,
  { listener, forAgent }: StandIns,
  [agent, exporter]: readonly [BenchProcess, BenchProcess],
  seconds: number,
): Promise<readonly [Observation, Observation]> {
  const startedNs = clock.monotonicNs();
  const before = await listener.accepted();
  const looks = [{ agent: await readUsage(agent.pid), exporter: await readUsage(exporter.pid) }];
  for (let look = 1; look <= seconds; look += 1) {
    const dueNs = startedNs + look * LOOK_MS * NS_PER_MS;
    await pause(clock, Math.max(0, (dueNs - clock.monotonicNs()) / NS_PER_MS));
    looks.push({ agent: await readUsage(agent.pid), exporter: await readUsage(exporter.pid) });
  }
  const after = await listener.accepted();
  const elapsedNs = clock.monotonicNs() - startedNs;
  const made = after.map((count, index) => count - (before[index] ?? 0));
  return [
    { probes: sumOf(made.slice(0, forAgent.length)), elapsedNs, usages: looks.map((look) => look.agent) },
    { probes: sumOf(made.slice(forAgent.length)), elapsedNs, usages: looks.map((look) => look.exporter) },
  ];
}

/** The figures of one side. Pure. */
export function sideOf(id: SideResult["id"], { probes, elapsedNs, usages }: Observation): SideResult {
  const cpuNs = (usages.at(-1)?.cpuNs ?? 0) - (usages[0]?.cpuNs ?? 0);
  const medianMb = (read: (usage: ProcessUsage) => number) => distributionOf(usages.map(read)).p50 / BYTES_PER_MB;
  return {
    id,
    probes,
    probesPerSecond: probes / (elapsedNs / 1e9),
    rssMb: medianMb((usage) => usage.rssBytes),
    pssMb: medianMb((usage) => usage.pssBytes),
    privateMb: medianMb((usage) => usage.privateBytes),
    anonymousMb: medianMb((usage) => usage.anonymousBytes),
    cpuPercent: (cpuNs / elapsedNs) * 100,
    cpuUsPerProbe: cpuNs / NS_PER_US / probes,
    threads: Math.max(...usages.map(({ threads }) => threads)),
    descriptors: Math.max(...usages.map(({ descriptors }) => descriptors)),
  };
}

function ratiosOf(agent: SideResult, exporter: SideResult): FootprintResult["ratios"] {
  const ratios = COMPARED.map((figure) => [figure, agent[figure] / exporter[figure]] as const);
  return Object.fromEntries(ratios) as FootprintResult["ratios"];
}
