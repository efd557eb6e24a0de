/**
 * Disk space and time that an agent's spool needs, compared with SQLite that stores the same reports with the same
 * durability.
 *
 * 1. Reports are twenty minutes of the default plan's, counted for an hour, sealed and encoded by the agent's own code,
 *    on a manual clock.
 * 2. Both sides keep the same bytes, report by report in turn, each durable before the next: the spool by fdatasync,
 *    SQLite (WAL, synchronous=FULL) by one commit. Both are on the same disk.
 * 3. SQLite keeps reports as they come; that the spool packs them is part of what is compared.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openSpool, packReport, SPOOL_MAX_AGE_HOURS, SPOOL_MAX_BYTES, type Spool } from "@lifeline/agent";
import { type Clock, NS_PER_US } from "@lifeline/measure";
import { BenchError } from "../bench-error.ts";
import { type Distribution, distributionOf } from "../distribution.ts";
import type { Workshop } from "../workshop.ts";
import { planOf } from "./default-plan.ts";
import { type FullSpool, measureFullSpool } from "./full-spool.ts";
import { CONDITIONS, type Condition, LOOKBACK_S, type Lookback, lookbackOf } from "./lookback.ts";

const S_PER_HOUR = 3_600;

/** What one side took. */
export interface SideResult {
  readonly appendUs: Distribution;
  readonly diskBytes: number;
}

/** Targets with the same outcomes. */
export interface ConditionResult {
  readonly condition: Condition;
  readonly recordsPerHour: number;
  readonly windowsPerTargetHour: number;
  /** Before packing. */
  readonly plainBytesPerTargetHour: number;
  /** On disk. */
  readonly bytesPerTargetHour: number;
  /** Targets that the default bound holds for the default age. */
  readonly targetsHeld: number;
  /** Median time to pack a report, µs. */
  readonly packP50Us: number;
  readonly spool: SideResult;
  readonly sqlite: SideResult;
  /** The spool's figure in units of SQLite's; below 1 is less. */
  readonly ratios: { readonly appendP50: number; readonly appendP99: number; readonly diskBytes: number };
}

/** The whole result. */
export interface SpoolResult {
  readonly bench: "spool";
  readonly targets: number;
  readonly maxBytes: number;
  readonly maxAgeHours: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly conditions: readonly ConditionResult[];
  readonly full: FullSpool;
  readonly notes: readonly string[];
}

const NOTES = [
  "twenty minutes of one probe a second for each target, counted for an hour; well: all answer; failing: all time out after ten good seconds; lossy: one in twenty is lost",
  "SQLite: one insert a commit, WAL, synchronous=FULL, its bytes after a checkpoint; it keeps reports as they come, the spool packs them",
];

/**
 * Measures with the first `targets` of the default plan. Throws `child-failed` when the spool would not keep what it
 * was given.
 */
export async function measureSpool(workshop: Workshop, targets: number): Promise<SpoolResult> {
  const conditions: ConditionResult[] = [];
  const plan = planOf(targets);
  for (const condition of CONDITIONS) {
    workshop.say(`spool: ${targets} targets, ${condition}`);
    const lookback = lookbackOf(plan, condition);
    conditions.push(await measureCondition(workshop, condition, lookback, targets));
  }
  workshop.say("spool: as many reports as it may hold");
  const full = await measureFullSpool(workshop.clock, join(await workshop.folder(), "spool"));
  return {
    bench: "spool",
    targets,
    maxBytes: SPOOL_MAX_BYTES,
    maxAgeHours: SPOOL_MAX_AGE_HOURS,
    versions: { sqlite: process.versions["sqlite"] ?? "", node: process.versions.node },
    conditions,
    full,
    notes: NOTES,
  };
}

async function measureCondition(
  workshop: Workshop,
  condition: Condition,
  { reports, windows }: Lookback,
  targets: number,
): Promise<ConditionResult> {
  const { clock } = workshop;
  const folder = await workshop.folder();
  const [spool, sqlite] = await appendBoth(clock, folder, reports);
  const perTargetHour = (count: number) => (count * S_PER_HOUR) / LOOKBACK_S / targets;
  const bytesPerTargetHour = perTargetHour(spool.diskBytes);
  const packUs = reports.map((report) => tookUs(clock, () => packReport(report)));
  return {
    condition,
    recordsPerHour: Math.round((reports.length * S_PER_HOUR) / LOOKBACK_S),
    windowsPerTargetHour: perTargetHour(windows),
    plainBytesPerTargetHour: perTargetHour(reports.reduce((sum, { length }) => sum + length, 0)),
    bytesPerTargetHour,
    targetsHeld: Math.floor(SPOOL_MAX_BYTES / (SPOOL_MAX_AGE_HOURS * bytesPerTargetHour)),
    packP50Us: distributionOf(packUs).p50,
    spool,
    sqlite,
    ratios: {
      appendP50: spool.appendUs.p50 / sqlite.appendUs.p50,
      appendP99: spool.appendUs.p99 / sqlite.appendUs.p99,
      diskBytes: spool.diskBytes / sqlite.diskBytes,
    },
  };
}

/** The sides take turns report by report, so other disk load affects both. */
async function appendBoth(
  clock: Clock,
  folder: string,
  reports: readonly Uint8Array[],
): Promise<readonly [SideResult, SideResult]> {
  const bootId = new Uint8Array(16);
  const spool = await openSpool({ directory: join(folder, "spool"), clock, bootId, onEvent: () => undefined });
  const path = join(folder, "peer.sqlite");
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
  database.exec(
    "CREATE TABLE report (boot BLOB, sequence INTEGER, report BLOB, PRIMARY KEY (boot, sequence)) WITHOUT ROWID",
  );
  const insert = database.prepare("INSERT INTO report VALUES (?, ?, ?)");
  const spoolUs: number[] = [];
  const sqliteUs: number[] = [];
  for (const [at, report] of reports.entries()) {
    const startedNs = clock.monotonicNs();
    const { where } = await spool.append(report);
    spoolUs.push((clock.monotonicNs() - startedNs) / NS_PER_US);
    if (where !== "disk") throw new BenchError("child-failed", `the spool kept a report in ${where}, not on disk`);
    sqliteUs.push(tookUs(clock, () => insert.run(bootId, at + 1, report)));
  }
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
  const { heldBytes } = await closed(spool);
  return [
    { appendUs: distributionOf(spoolUs), diskBytes: heldBytes },
    { appendUs: distributionOf(sqliteUs), diskBytes: statSync(path).size },
  ];
}

async function closed(spool: Spool) {
  const stats = spool.stats();
  await spool.close();
  return stats;
}

function tookUs(clock: Clock, work: () => unknown): number {
  const startedNs = clock.monotonicNs();
  work();
  return (clock.monotonicNs() - startedNs) / NS_PER_US;
}
