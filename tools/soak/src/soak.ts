/** The soak: everything at once, read every five seconds until the time is over or somebody ends it. */
import { randomFrom } from "@lifeline/crash";
import type { Part } from "@lifeline/local";
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { type AskingCounts, runAsking } from "./asking.ts";
import { type LoadCounts, runFleet } from "./load.ts";
import { type ProcessReading, readDatabaseMb, readProcess, type Sample } from "./sampler.ts";
import { NODE_ID, openStage, type Stage } from "./stage.ts";
import { type Trend, trendOf } from "./trend.ts";

/** What came of it. */
export interface SoakResult {
  readonly seconds: number;
  /** Which processes were read. */
  readonly pids: { readonly agent: number | undefined; readonly collector: number | undefined };
  /** How each program ended unasked; absent: it lived. */
  readonly deaths: { readonly agent?: string; readonly collector?: string };
  readonly load: LoadCounts & AskingCounts & { readonly cuts: number };
  readonly trends: {
    readonly agent: ProcessTrends;
    readonly collector: ProcessTrends;
    readonly databaseMb: Trend | undefined;
  };
  readonly samples: readonly Sample[];
}
export type ProcessTrends = Readonly<Record<keyof ProcessReading, Trend | undefined>>;

/** Time between two readings, and between two cuts of the way between agent and collector, ms. */
const READ_EVERY_MS = 5_000;
const CUT_EVERY_MS = 60_000;

/** The load's chance: the same in every soak, so that two can be compared. */
const SEED = 1;

/** Soaks for `minutes`, or until `signal` aborts. Rejects with a SoakError. */
export async function soak(
  minutes: number,
  clock: Clock,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<SoakResult> {
  const startedNs = clock.monotonicNs();
  const secondsNow = () => (clock.monotonicNs() - startedNs) / NS_PER_MS / 1_000;
  const stage = await openStage(clock, signal);
  const over = new AbortController();
  const ends = AbortSignal.any([signal, over.signal]);
  const load = { streams: 0, reports: 0, acknowledged: 0, planChanges: 0, refused: 0, cuts: 0 };
  const asking = { queries: 0, scrapes: 0, unanswered: 0 };
  const samples: Sample[] = [];
  const { grpcPort, httpPort, credentials } = stage;
  const pids = { agent: stage.agent.pid(), collector: stage.collector.pid() };
  const running = Promise.all([
    runFleet({ grpcPort, credentials, random: randomFrom(SEED), clock, signal: ends, counts: load }),
    runAsking({ grpcPort, httpPort, credentials, nodeId: NODE_ID, clock, signal: ends, counts: asking }),
    runCuts(stage, clock, ends, load),
  ]);
  try {
    while (!ends.aborted && secondsNow() < minutes * 60 && deathsOf(stage).length === 0) {
      await pause(clock, READ_EVERY_MS, ends);
      const sample = ends.aborted ? undefined : await readSample(stage, secondsNow());
      if (sample === undefined) break;
      samples.push(sample);
      say(lineOf(sample));
    }
    const deaths = Object.fromEntries(deathsOf(stage));
    over.abort();
    await running;
    return { seconds: secondsNow(), pids, deaths, load: { ...load, ...asking }, trends: trendsOf(samples), samples };
  } finally {
    over.abort();
    await stage.close();
  }
}

async function runCuts({ relay }: Stage, clock: Clock, signal: AbortSignal, counts: { cuts: number }): Promise<void> {
  for (;;) {
    await pause(clock, CUT_EVERY_MS, signal);
    if (signal.aborted) return;
    relay.reset();
    counts.cuts += 1;
  }
}

function deathsOf({ agent, collector }: Stage): readonly (readonly [string, string])[] {
  return [agent, collector].flatMap((part: Part) => {
    const end = part.lastEnd();
    return end === undefined ? [] : [[part.name, `${end}\n${part.logTail(5)}`] as const];
  });
}

/** Undefined when one of the two is gone. */
async function readSample({ agent, collector, database }: Stage, seconds: number): Promise<Sample | undefined> {
  const [agentPid, collectorPid] = [agent.pid(), collector.pid()];
  if (agentPid === undefined || collectorPid === undefined) return undefined;
  const readings = await Promise.all([
    readProcess(agentPid),
    readProcess(collectorPid),
    readDatabaseMb(database),
  ]).catch((error: unknown) => {
    // Gone between the two looks at it.
    if (agent.pid() === undefined || collector.pid() === undefined) return undefined;
    throw error;
  });
  return readings && { seconds, agent: readings[0], collector: readings[1], databaseMb: readings[2] };
}

function trendsOf(samples: readonly Sample[]): SoakResult["trends"] {
  const trend = (read: (sample: Sample) => number) =>
    trendOf(samples.map((sample) => ({ seconds: sample.seconds, value: read(sample) })));
  const ofProcess = (name: "agent" | "collector"): ProcessTrends => ({
    rssMb: trend((sample) => sample[name].rssMb),
    pssMb: trend((sample) => sample[name].pssMb),
    anonymousMb: trend((sample) => sample[name].anonymousMb),
    descriptors: trend((sample) => sample[name].descriptors),
    threads: trend((sample) => sample[name].threads),
  });
  return {
    agent: ofProcess("agent"),
    collector: ofProcess("collector"),
    databaseMb: trend(({ databaseMb }) => databaseMb),
  };
}

function lineOf({ seconds, agent, collector, databaseMb }: Sample): string {
  const told = ({ rssMb, anonymousMb, descriptors }: ProcessReading) =>
    `${rssMb.toFixed(1)} MB, ${anonymousMb.toFixed(1)} anonymous, ${descriptors} descriptors`;
  return `${seconds.toFixed(0)} s: agent ${told(agent)}; collector ${told(collector)}; database ${databaseMb.toFixed(1)} MB`;
}
