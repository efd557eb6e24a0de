/** The soak: programs and load at once, read every five seconds until the time is over or it is interrupted. */
import { HarnessError, randomFrom } from "@lifeline/harness";
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { type LoadCounts, runFleet } from "./load.ts";
import { type ProcessReading, readDatabaseMb, readProcess, type Sample } from "./process-reading.ts";
import { type QueryCounts, runQueries } from "./queries.ts";
import { NODE_ID, TestBed } from "./test-bed.ts";
import { type Trend, trendOf } from "./trend.ts";

/** The result of the run. */
export interface SoakResult {
  readonly seconds: number;
  /** Which processes were read. */
  readonly pids: { readonly agent: number | undefined; readonly collector: number | undefined };
  /** How a program exited unexpectedly, and its last output; absent: it did not. */
  readonly unexpectedExits: { readonly agent?: string; readonly collector?: string };
  readonly load: LoadCounts & QueryCounts & { readonly cuts: number };
  readonly trends: {
    readonly agent: ProcessTrends;
    readonly collector: ProcessTrends;
    readonly databaseMb: Trend | undefined;
  };
  readonly samples: readonly Sample[];
}
export type ProcessTrends = Readonly<Record<keyof ProcessReading, Trend | undefined>>;

/** Time between two readings, and between two cuts of the connection between agent and collector, ms. */
const READ_EVERY_MS = 5_000;
const CUT_EVERY_MS = 60_000;

/** The load's seed: the same in every soak, so that two can be compared. */
const SEED = 1;

/** Soaks for `minutes`, or until `signal` aborts. Rejects with a HarnessError when a program does not start. */
export async function soak(
  minutes: number,
  clock: Clock,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<SoakResult> {
  const startedNs = clock.monotonicNs();
  const secondsNow = () => (clock.monotonicNs() - startedNs) / NS_PER_MS / 1_000;
  const testBed = await TestBed.open(clock, signal);
  const over = new AbortController();
  const ends = AbortSignal.any([signal, over.signal]);
  const load = { streams: 0, reports: 0, acknowledged: 0, planChanges: 0, refused: 0, cuts: 0 };
  const queries = { queries: 0, scrapes: 0, unanswered: 0 };
  const samples: Sample[] = [];
  const { agent, collector } = testBed;
  const pids = { agent: agent.pid, collector: collector.program.pid };
  const running = Promise.all([
    runFleet({ testBed, random: randomFrom(SEED), clock, signal: ends, counts: load }),
    runQueries({ collector, nodeId: NODE_ID, clock, signal: ends, counts: queries }),
    runCuts(testBed, clock, ends, load),
  ]);
  try {
    while (!ends.aborted && secondsNow() < minutes * 60 && unexpectedExitsOf(testBed).length === 0) {
      await pause(clock, READ_EVERY_MS, ends);
      const sample = ends.aborted ? undefined : await readSample(testBed, secondsNow());
      if (sample === undefined) break;
      samples.push(sample);
      log(lineOf(sample, { ...load, ...queries }));
    }
    const unexpectedExits = Object.fromEntries(unexpectedExitsOf(testBed));
    over.abort();
    await running;
    return {
      seconds: secondsNow(),
      pids,
      unexpectedExits,
      load: { ...load, ...queries },
      trends: trendsOf(samples),
      samples,
    };
  } finally {
    over.abort();
    await testBed.close();
  }
}

async function runCuts({ relay }: TestBed, clock: Clock, signal: AbortSignal, counts: { cuts: number }): Promise<void> {
  for (;;) {
    await pause(clock, CUT_EVERY_MS, signal);
    if (signal.aborted) return;
    relay.reset();
    counts.cuts += 1;
  }
}

function unexpectedExitsOf({ agent, collector }: TestBed): readonly (readonly [string, string])[] {
  return [agent, collector.program].flatMap((program) =>
    program.lastEnd === undefined ? [] : [[program.name, `${program.lastEnd}\n${program.tail()}`] as const],
  );
}

/** Undefined when one of the two has ended. */
async function readSample({ agent, collector }: TestBed, seconds: number): Promise<Sample | undefined> {
  const { pid: collectorPid } = collector.program;
  if (agent.pid === undefined || collectorPid === undefined) return undefined;
  try {
    const [ofAgent, ofCollector] = [await readProcess(agent.pid), await readProcess(collectorPid)];
    return { seconds, agent: ofAgent, collector: ofCollector, databaseMb: await readDatabaseMb(collector.database) };
  } catch (error) {
    if (error instanceof HarnessError && error.code === "process-gone") return undefined;
    throw error;
  }
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

type Done = Pick<SoakResult["load"], "acknowledged" | "queries" | "scrapes">;

function lineOf({ seconds, agent, collector, databaseMb }: Sample, done: Done): string {
  const shown = ({ rssMb, anonymousMb, descriptors }: ProcessReading) =>
    `${rssMb.toFixed(1)} MB, ${anonymousMb.toFixed(1)} anonymous, ${descriptors} descriptors`;
  const read = `agent ${shown(agent)}; collector ${shown(collector)}; database ${databaseMb.toFixed(1)} MB`;
  const counts = `${done.acknowledged} reports acknowledged, ${done.queries} queries, ${done.scrapes} scrapes`;
  return `${seconds.toFixed(0)} s: ${read}; ${counts}`;
}
