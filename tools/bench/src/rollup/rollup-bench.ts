/**
 * What rolling up costs and what it saves.
 *
 * 1. Two stores hold the same hours of one large node; in one all is rolled up, in the other all waits. The same
 *    question is put to both in turns, and both give the same answer, or the bench fails: the peer is the scan of the
 *    raw reports.
 * 2. Bytes are those of the pages of each table with its indexes (dbstat), divided by target and day.
 * 3. A step's time is from querying to its commit on disk: what a report that came right behind it would have waited.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { isDeepStrictEqual } from "node:util";
import { createHistory, openStore, type ReportRecord, ROLL_UP_REPORTS, type Store } from "@lifeline/collector";
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import type { queryPb } from "@lifeline/wire";
import { BenchError } from "../bench-error.ts";
import { type Distribution, distributionOf } from "../distribution.ts";
import type { Workshop } from "../workshop.ts";
import { reportsOf, TARGETS } from "./node-past.ts";

/**
 * Hours of reports: so many that tables are far larger than their pages, and none of a day's that a bench would wait
 * for.
 */
const HOURS = 4;
/** Queries to each side. */
const ASKED = 15;
const NODE_ID = "bench";
const SAVED_TOGETHER = 64;
const DAYS = HOURS / 24;

/** Bytes of one target's day, by level. */
export interface LevelBytes {
  readonly reports: number;
  readonly minutes: number;
  readonly hours: number;
}

/** The whole result. */
export interface RollupResult {
  readonly bench: "rollup";
  readonly targets: number;
  readonly hours: number;
  readonly reports: number;
  /** Processor time for one report, µs, of all threads: to store it (64 to a commit), and to roll it up. */
  readonly cpuUsPerReport: { readonly stored: number; readonly rolled: number };
  /** Of a step of that many reports, commit included. */
  readonly reportsPerStep: number;
  readonly stepMs: Distribution;
  readonly bytesPerTargetDay: LevelBytes;
  /** An hour by the minute, all targets: of the roll-ups, and of the raw reports. */
  readonly historyMs: { readonly rolled: Distribution; readonly raw: Distribution };
  /** The roll-ups' median in units of the raw scan's; below 1 is less. */
  readonly ratio: number;
  readonly notes: readonly string[];
}

const NOTES = [
  `one node of ${TARGETS} targets, an attempt a second each; its whole hour is asked for by the minute`,
  "both stores gave the same answer each time",
];

/** Measures. Throws `child-failed` when a store fails, or the two answers differ. */
export async function measureRollup(workshop: Workshop): Promise<RollupResult> {
  const { clock } = workshop;
  const folder = await workshop.folder();
  const fromMs = Math.floor(clock.wallMs() / 3_600_000 - HOURS) * 3_600_000;
  workshop.say(`rollup: storing ${HOURS} h of ${TARGETS} targets, twice`);
  const { store: rolled, storedCpuUs } = await filled(workshop, join(folder, "rolled.db"), fromMs);
  const { store: raw } = await filled(workshop, join(folder, "raw.db"), fromMs);
  workshop.say("rollup: rolling up");
  const beganUs = cpuUs();
  const steps = await rollUpAll(rolled, clock);
  const rolledCpuUs = cpuUs() - beganUs;
  workshop.say("rollup: querying");
  const historyMs = await askInTurns(clock, { rolled, raw }, fromMs + (HOURS - 1) * 3_600_000);
  await rolled.close();
  await raw.close();
  const reports = steps.reduce((sum, step) => sum + step.reports, 0);
  return {
    bench: "rollup",
    targets: TARGETS,
    hours: HOURS,
    reports,
    cpuUsPerReport: { stored: storedCpuUs / reports, rolled: rolledCpuUs / reports },
    reportsPerStep: ROLL_UP_REPORTS,
    stepMs: distributionOf(steps.map(({ ms }) => ms)),
    bytesPerTargetDay: bytesOf(join(folder, "rolled.db")),
    historyMs,
    ratio: historyMs.rolled.p50 / historyMs.raw.p50,
    notes: NOTES,
  };
}

/** A store with all reports in it, and the processor time that took. */
interface Filled {
  readonly store: Store;
  readonly storedCpuUs: number;
}

async function filled(workshop: Workshop, path: string, fromMs: number): Promise<Filled> {
  const failed = (code: string, detail: string) => workshop.say(`rollup: the store failed: ${code} ${detail}`);
  const events = {
    onCommit() {},
    onFailure: failed,
    onOverflow() {},
    onStoreCrash: (error: Error) => failed("died", error.message),
  };
  const store = await openStore(path, workshop.clock, events);
  workshop.onClose(() => store.close());
  const node = { hostname: "h", agentVersion: "1", factsJson: "{}", seenFromJson: undefined, clockOffsetMs: undefined };
  await store.submit("saveNode", { nodeId: NODE_ID, seenAtMs: fromMs, ...node });
  let storedCpuUs = 0;
  let reports: ReportRecord[] = [];
  const save = async () => {
    const beganUs = cpuUs();
    await Promise.all(reports.map((report) => store.submit("saveReport", report)));
    storedCpuUs += cpuUs() - beganUs;
    reports = [];
  };
  for (const report of reportsOf(NODE_ID, fromMs, HOURS)) {
    reports.push(report);
    if (reports.length >= SAVED_TOGETHER) await save();
  }
  await save();
  return { store, storedCpuUs };
}

async function rollUpAll(store: Store, clock: Clock): Promise<{ reports: number; ms: number }[]> {
  const steps: { reports: number; ms: number }[] = [];
  for (;;) {
    const beganNs = clock.monotonicNs();
    const due = { dueBeforeMs: Number.MAX_SAFE_INTEGER, limit: ROLL_UP_REPORTS };
    const { reports } = await store.submit("rollUp", due);
    if (reports === 0) return steps;
    steps.push({ reports, ms: (clock.monotonicNs() - beganNs) / NS_PER_MS });
  }
}

async function askInTurns(clock: Clock, stores: { rolled: Store; raw: Store }, fromMs: number) {
  const retention = { retentionDays: 30, minuteRetentionDays: 90, hourRetentionDays: 400 };
  const askerOf = (store: Store) => {
    const history = createHistory({ fleet: { nodes: new Map() }, store, clock, retention });
    const times = { fromUnixMs: BigInt(fromMs), toUnixMs: BigInt(fromMs + 3_600_000), stepSeconds: 60 };
    const request = { nodeId: NODE_ID, only: "", ...times } as queryPb.ListHistoryRequest;
    return async () => {
      const beganNs = clock.monotonicNs();
      const { targets = [], continueFromUnixMs } = await history(request, {} as never);
      if (targets.length !== TARGETS || continueFromUnixMs !== undefined)
        throw new BenchError("child-failed", `rollup: ${targets.length} targets of ${TARGETS} were answered, or cut`);
      return { ms: (clock.monotonicNs() - beganNs) / NS_PER_MS, targets };
    };
  };
  const asks = { rolled: askerOf(stores.rolled), raw: askerOf(stores.raw) };
  const figures = { rolled: [] as number[], raw: [] as number[] };
  for (let turn = 0; turn < ASKED; turn++) {
    const [rolled, raw] = [await asks.rolled(), await asks.raw()];
    if (!isDeepStrictEqual(rolled.targets, raw.targets))
      throw new BenchError("child-failed", "rollup: the roll-ups and the raw reports tell different pasts");
    figures.rolled.push(rolled.ms);
    figures.raw.push(raw.ms);
  }
  return { rolled: distributionOf(figures.rolled), raw: distributionOf(figures.raw) };
}

/** Processor time of this process, all threads: what other programs take of the machine is not in it. */
function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function bytesOf(path: string): LevelBytes {
  const database = new DatabaseSync(path);
  const pages = (...names: readonly string[]) =>
    names.reduce((sum, name) => {
      const row = database.prepare("SELECT sum(pgsize) AS bytes FROM dbstat WHERE name = ?").get(name);
      return sum + Number(row?.bytes ?? 0);
    }, 0);
  try {
    database.exec("VACUUM");
    const reports = pages("reports", "reports_by_age", "windows", "windows_by_report");
    const both = pages("rollups", "rollups_by_age");
    database.exec("DELETE FROM rollups WHERE step_s = 60; VACUUM");
    const hours = pages("rollups", "rollups_by_age");
    const perTargetDay = (bytes: number) => bytes / TARGETS / DAYS;
    return { reports: perTargetDay(reports), minutes: perTargetDay(both - hours), hours: perTargetDay(hours) };
  } finally {
    database.close();
  }
}
