/** The run: its rounds, the balance at their end, and the enrolments. */
import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { between, type Random, randomFrom, type ShippedProgram } from "@lifeline/harness";
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { decodeReport } from "@lifeline/wire";
import { CrashError } from "./crash-error.ts";
import { type EnrolmentBalance, playEnrolments } from "./interrupted-enrolments.ts";
import { type Balance, balance, keptReports, type StoredReport } from "./ledger.ts";
import type { Step } from "./progress.ts";
import { drawFault, type FaultKind, playFault } from "./round-fault.ts";
import { runSizeOf } from "./run-estimate.ts";
import { TestBed } from "./test-bed.ts";

/** Starts and unexpected exits of a program. */
interface Lives {
  readonly starts: number;
  readonly crashes: number;
}

/** The result of the rounds. */
interface RoundsResult extends Balance {
  /** How often each fault was played. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  /** Faults that this machine does not allow. */
  readonly leftOut: readonly FaultKind[];
  readonly agent: Lives;
  readonly collector: Lives;
}

/** The result of the run. */
export interface CrashResult extends RoundsResult {
  readonly rounds: number;
  readonly seed: number;
  /** Of the whole run, of its rounds without the wait for the last reports, and of its enrolments. */
  readonly seconds: number;
  readonly roundsSeconds: number;
  readonly enrolmentsSeconds: number;
  /** The enrolments after the rounds. */
  readonly identity: EnrolmentBalance;
}

/** Time between two faults, ms: sometimes too short for anything to happen. */
const CALM_MS = { least: 50, most: 1_200 };

/**
 * How long the last reports may take to arrive, ms: the uplink's longest backoff and the backlog, on a busy machine.
 */
const DRAIN_TIMEOUT_MS = 120_000;
const POLL_MS = 500;

/**
 * Plays `rounds` faults drawn from `seed`, then the enrolments; `onStep` is called as each begins. Rejects with a
 * CrashError or a HarnessError.
 */
export async function playRun(
  rounds: number,
  seed: number,
  clock: Clock,
  onStep: (step: Step) => void,
): Promise<CrashResult> {
  const random = randomFrom(seed);
  const startedNs = clock.monotonicNs();
  const secondsNow = () => Math.round((clock.monotonicNs() - startedNs) / NS_PER_MS / 1_000);
  let roundsSeconds = 0;
  const played = await playRounds(rounds, random, clock, (step) => {
    if (step.kind === "drain") roundsSeconds = secondsNow();
    onStep(step);
  });
  const drainedSeconds = secondsNow();
  const identity = await playEnrolments(runSizeOf(rounds).enrolments, random, clock, (number) =>
    onStep({ kind: "enrolment", number, what: "" }),
  );
  const seconds = secondsNow();
  return { rounds, seed, seconds, roundsSeconds, enrolmentsSeconds: seconds - drainedSeconds, ...played, identity };
}

async function playRounds(
  rounds: number,
  random: Random,
  clock: Clock,
  onStep: (step: Step) => void,
): Promise<RoundsResult> {
  const faults: Partial<Record<FaultKind, number>> = {};
  const leftOut = new Set<FaultKind>();
  const testBed = await TestBed.open(clock);
  try {
    for (let number = 1; number <= rounds; number += 1) {
      await pause(clock, between(random, CALM_MS.least, CALM_MS.most));
      const fault = drawFault(random);
      onStep({ kind: "round", number, what: fault });
      if (await playFault(fault, testBed, random, clock)) faults[fault] = (faults[fault] ?? 0) + 1;
      else leftOut.add(fault);
    }
    onStep({ kind: "drain", number: 1, what: "waiting for the last reports" });
    const found = await drain(testBed, clock);
    const livesOf = ({ starts, crashes }: ShippedProgram) => ({ starts, crashes });
    const { agent, collector } = testBed;
    return { ...found, faults, leftOut: [...leftOut], agent: livesOf(agent), collector: livesOf(collector) };
  } finally {
    await testBed.close();
  }
}

/** Repairs everything, and waits until no sealed report is missing, or for two minutes. */
async function drain(testBed: TestBed, clock: Clock): Promise<Balance> {
  testBed.relay.mode("pass");
  await testBed.revive();
  await pause(clock, POLL_MS);
  // When the agent stops it seals what is open; once it runs again it sends that.
  await testBed.agent.stop();
  testBed.agent.start();
  const startedNs = clock.monotonicNs();
  for (;;) {
    const found = balance(keptReports(testBed.agent.output()), storedReports(testBed.database));
    const isOver = (clock.monotonicNs() - startedNs) / NS_PER_MS > DRAIN_TIMEOUT_MS;
    // The agent keeps sealing windows and sends each report at once. A report that is missing for longer is lost.
    if (found.lost === 0 || isOver) return found;
    await pause(clock, POLL_MS);
    if (!testBed.collector.isAlive) {
      throw new CrashError(`the collector ended while the last reports were awaited: ${testBed.collector.tail()}`);
    }
  }
}

/** The database's reports, read while the collector uses it. */
function storedReports(path: string): readonly StoredReport[] {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const rows = database.prepare("SELECT boot_id, sequence, payload FROM reports").all();
    return rows.map(({ boot_id: bootId, sequence, payload }) => {
      const bytes = payload as Uint8Array;
      const decoded = decodeReport(bytes);
      const windows = decoded.ok ? decoded.value.windows : [];
      return {
        bootId: Buffer.from(bootId as Uint8Array).toString("hex"),
        sequence: Number(sequence),
        reportSha256: createHash("sha256").update(bytes).digest("hex"),
        windows: windows.map(({ targetId, startMs }) => `${targetId}@${startMs}`),
      };
    });
  } finally {
    database.close();
  }
}
