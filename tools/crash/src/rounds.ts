/** The rounds, and the balance at their end. */
import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { decodeReport } from "@lifeline/wire";
import { between, randomFrom } from "./chance.ts";
import { CrashError } from "./crash-error.ts";
import { type EnrolmentBalance, playEnrolments } from "./enrolments.ts";
import { drawFault, type FaultKind, playFault } from "./fault.ts";
import { type Balance, balance, keptReports, type StoredReport } from "./ledger.ts";
import { openStage, type Stage } from "./stage.ts";

/** What came of it. */
export interface CrashResult extends Balance {
  readonly rounds: number;
  readonly seed: number;
  readonly seconds: number;
  /** How often each fault was played. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  /** Faults that could not be had here, and were left out. */
  readonly leftOut: readonly FaultKind[];
  /** Lives of each program, and how many of them ended unasked. */
  readonly agent: { readonly lives: number; readonly deaths: number };
  readonly collector: { readonly lives: number; readonly deaths: number };
  /** Enrolments that were struck, after the rounds. */
  readonly identity: EnrolmentBalance;
}

/** Between two faults the programs are left alone, ms: sometimes too short to come to anything. */
const CALM_MS = { least: 50, most: 1_200 };

/** Rounds for each enrolment that is struck besides. */
const ROUNDS_PER_ENROLMENT = 5;

/** How long the last reports may take to arrive, ms: the longest backoff of the uplink, and the backlog. */
const DRAIN_MAX_MS = 120_000;

/** How often it is looked whether they have, ms. */
const LOOK_EVERY_MS = 500;

/** Plays `rounds` faults drawn from `seed`; `onRound` is told of each. Rejects with a CrashError. */
export async function playRounds(
  rounds: number,
  seed: number,
  clock: Clock,
  onRound: (round: number, fault: FaultKind | "enrolment") => void,
): Promise<CrashResult> {
  const random = randomFrom(seed);
  const startedNs = clock.monotonicNs();
  const faults: Partial<Record<FaultKind, number>> = {};
  const leftOut = new Set<FaultKind>();
  const played = await (async () => {
    const stage = await openStage(clock);
    try {
      for (let round = 1; round <= rounds; round += 1) {
        await pause(clock, between(random, CALM_MS.least, CALM_MS.most));
        const fault = drawFault(random);
        onRound(round, fault);
        if (await playFault(fault, stage, random, clock)) faults[fault] = (faults[fault] ?? 0) + 1;
        else leftOut.add(fault);
      }
      const result = await settle(stage, clock);
      const livesOf = ({ lives, deaths }: Stage["agent"]) => ({ lives, deaths });
      return { ...result, agent: livesOf(stage.agent), collector: livesOf(stage.collector) };
    } finally {
      await stage.close();
    }
  })();
  const enrolments = Math.ceil(rounds / ROUNDS_PER_ENROLMENT);
  const identity = await playEnrolments(enrolments, random, clock, (nth) => onRound(nth, "enrolment"));
  const seconds = Math.round((clock.monotonicNs() - startedNs) / NS_PER_MS / 1_000);
  return { rounds, ...played, seed, seconds, faults, leftOut: [...leftOut], identity };
}

/** Everything whole again: waits until nothing that was sealed is missing, or the time is up. */
async function settle(stage: Stage, clock: Clock): Promise<Balance> {
  stage.relay.mode("pass");
  await stage.revive();
  await pause(clock, LOOK_EVERY_MS);
  // A last life of the agent seals what is open, and has until its end to send it.
  await stage.agent.stop();
  stage.agent.start();
  const startedNs = clock.monotonicNs();
  for (;;) {
    const found = balance(keptReports(stage.agent.printed()), storedReports(stage.database));
    const isOver = (clock.monotonicNs() - startedNs) / NS_PER_MS > DRAIN_MAX_MS;
    // What the last life goes on sealing is sent within a moment; what is missing for longer is lost.
    if (found.lost === 0 || isOver) return found;
    await pause(clock, LOOK_EVERY_MS);
    if (!stage.collector.isAlive) throw new CrashError("not-drained", stage.collector.printed().slice(-600));
  }
}

/** What the database holds, read beside the collector that serves from it. */
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
