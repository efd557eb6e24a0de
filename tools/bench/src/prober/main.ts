/** Makes Lifeline's own probes one after another, and prints what each reported. */
import {
  type Clock,
  NS_PER_MS,
  NS_PER_US,
  pause,
  type RttSource,
  systemClock,
  type Target,
  targetId,
} from "@lifeline/measure";
import { createProbeWorld, probe } from "@lifeline/probe";
import { answerAndEnd, liveAsLongAsStdin, readOrder } from "../own-program.ts";
import { PAUSE_MIN_MS, PAUSE_SPREAD_MS, type ProberAnswer, type ProberOrder, type Report } from "../prober-report.ts";

/** Half of each 40 ms, as a program that is busy half of its time. */
const BLOCK_MS = 20;

/** Under the second after which Linux sends a SYN again, as agents probe. */
const TIMEOUT_MS = 900;

async function main(order: ProberOrder): Promise<ProberAnswer> {
  const clock = systemClock;
  const random = () => Math.random();
  const world = createProbeWorld({ clock, random, ...(order.kernelStamps ? {} : { kernel: "none" }) });
  const target = targetOf(order);
  if (order.blocked) blockHalfOfTheTime(clock);

  const reports: Report[] = [];
  const sources = new Set<RttSource>();
  const before = process.cpuUsage();
  for (let made = 0; made < order.probes; made += 1) {
    await pause(clock, PAUSE_MIN_MS + random() * PAUSE_SPREAD_MS);
    const { outcome, rtt, startedAtMs, endedAtMs } = await probe(target, world);
    if (outcome.reason !== "answered" || rtt === undefined) {
      throw new Error(`probe ${made} ended as ${outcome.reason} in ${outcome.phase}`);
    }
    sources.add(rtt.source);
    reports.push({ startedAtMs, endedAtMs, rttNs: rtt.ns });
  }
  const { user, system } = process.cpuUsage(before);
  return { reports, sources: [...sources], cpuNs: (user + system) * NS_PER_US };
}

function targetOf({ address, port, probe: kind }: ProberOrder): Target {
  const parts = {
    requirementId: "bench",
    host: address,
    port,
    family: 4,
    options: kind === "tcp" ? { probe: kind, acceptReset: false } : { probe: kind, authenticated: false },
  } as const;
  return { ...parts, id: targetId(parts), cadenceMs: 1_000, timeoutMs: TIMEOUT_MS };
}

function blockHalfOfTheTime(clock: Clock): void {
  clock.after(BLOCK_MS, () => {
    const untilNs = clock.monotonicNs() + BLOCK_MS * NS_PER_MS;
    while (clock.monotonicNs() < untilNs);
    blockHalfOfTheTime(clock);
  });
}

liveAsLongAsStdin();
answerAndEnd(await main(readOrder<ProberOrder>()));
