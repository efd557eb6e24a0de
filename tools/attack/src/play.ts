/** Plays an attack, and measures what it costs the collector and honest nodes. */
import { pause } from "@lifeline/measure";
import { type Attack, type Outcome, outcomeOf, type Position } from "./attack.ts";
import { Watch } from "./attack-watch.ts";
import { p99 } from "./honest.ts";
import { isInside, runInside, whyNoNetwork } from "./network-namespace.ts";
import type { TestBed } from "./test-bed.ts";

/** An attack that was played. */
export interface Played {
  readonly attack: string;
  readonly position: Position;
  readonly tries: string;
  readonly outcome: Outcome["outcome"];
  readonly observed: string;
  readonly collectorCpuSeconds: number;
  /** Largest resident set of the collector; MB are 10^6 bytes. */
  readonly peakRssMb: number;
  /** From when a report was due to its acknowledgement, 99th percentile; null: none was due. */
  readonly honestAckP99Ms: number | null;
  /** Longest that an honest node took to be admitted; null: none was admitted. */
  readonly honestAdmitMs: number | null;
  /** Honest reports that were refused for good. */
  readonly honestRefused: number;
  readonly restarts: number;
  /** What kept the collector to 2 GiB. */
  readonly memoryLimit: string;
}

/** Most that an attack may cost. */
export interface Limits {
  readonly peakRssMb: number;
  readonly honestAckP99Ms: number;
  readonly honestAdmitMs: number;
}

/**
 * With the attacker on the same two cores: a quarter of the memory that the container has; what a person takes for at
 * once; and for an honest node from its first attempt to connect to its plan, attempts that fail among it, as long as
 * an agent waits once.
 */
export const LIMITS: Limits = { peakRssMb: 512, honestAckP99Ms: 250, honestAdmitMs: 5_000 };

/**
 * Honest acknowledgements and admissions that an attack is measured by, at least, and how long the harness waits for
 * them, ms.
 */
const ACKS_MIN = 10;
const ADMISSIONS_MIN = 1;
const MEASURED_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 100;

/**
 * The collector is calm while acknowledgements take at most `CALM_MS`, ms. A collector that is not calm after
 * `CALM_WITHIN_MS`, ms, is restarted.
 */
const CALM_MS = 100;
const CALM_WITHIN_MS = 5_000;

/**
 * A collector that uses more memory than this, MB, is restarted before the next attack, so each attack is charged for
 * its own memory only.
 */
const FRESH_ABOVE_MB = 250;

/** Plays one attack, where it needs one in a network of its own. Never rejects for what the attack does. */
export async function play(attack: Attack, testBed: TestBed): Promise<Played> {
  testBed.leastSeconds = attack.leastSeconds ?? 0;
  if (attack.needsNetwork !== true || isInside) return playHere(attack, testBed);
  const why = whyNoNetwork();
  if (why !== undefined)
    return playHere({ ...attack, run: async () => ({ outcome: "skipped", observed: why }) }, testBed);
  const text = await runInside(["--only", attack.name, "--seconds", String(testBed.seconds), "--json"]);
  const [played] = JSON.parse(text) as [Played];
  return played;
}

async function playHere({ name, position, tries, run }: Attack, testBed: TestBed): Promise<Played> {
  const watch = new Watch(testBed);
  await watch.begin();
  const outcome = await run(testBed).catch(brokeWith);
  await untilMeasured(testBed);
  const { ackMs, admitMs, admissions, refused } = await testBed.honest.account();
  const { cpuSeconds, peakRssMb } = await watch.end();
  const longestMs = ackMs.length === 0 ? null : Math.round(p99(ackMs));
  const played = {
    attack: name,
    position,
    tries,
    ...outcome,
    collectorCpuSeconds: Math.round(cpuSeconds * 100) / 100,
    peakRssMb: Math.round(peakRssMb),
    honestAckP99Ms: longestMs,
    honestAdmitMs: admissions === 0 ? null : Math.round(Math.max(...admitMs)),
    honestRefused: refused,
    restarts: watch.restarts,
    memoryLimit: testBed.collector.limit.kind,
  };
  const isSpent = outcome.outcome === "broke" || watch.restarts > 0 || peakRssMb > FRESH_ABOVE_MB;
  if (isSpent || longestMs === null || longestMs > CALM_MS) await settle(testBed, isSpent);
  return played;
}

/** An attack also counts as broken when it costs too much; the cost is then named first. */
export function judged(played: Played, limits: Limits): Played {
  if (played.outcome === "skipped") return played;
  const { restarts, peakRssMb, honestAckP99Ms, honestAdmitMs, honestRefused } = played;
  const { outcome, observed } = outcomeOf(
    [`the collector exited ${restarts} times`, restarts === 0],
    [`it held ${peakRssMb} MB`, peakRssMb < limits.peakRssMb],
    [
      `an honest report was acknowledged after ${honestAckP99Ms} ms`,
      honestAckP99Ms !== null && honestAckP99Ms <= limits.honestAckP99Ms,
    ],
    [
      honestAdmitMs === null ? "no honest node was admitted" : `an honest node was admitted after ${honestAdmitMs} ms`,
      honestAdmitMs !== null && honestAdmitMs <= limits.honestAdmitMs,
    ],
    [`${honestRefused} honest reports were refused`, honestRefused === 0],
  );
  return outcome === "held" ? played : { ...played, outcome, observed: `${observed}; ${played.observed}` };
}

function brokeWith(error: unknown): Outcome {
  return outcomeOf([`it ended with: ${error instanceof Error ? error.message : String(error)}`, false]);
}

async function untilMeasured({ honest, clock }: TestBed): Promise<void> {
  for (let waitedMs = 0; waitedMs < MEASURED_WITHIN_MS; waitedMs += LOOK_EVERY_MS) {
    const { ackMs, admissions } = await honest.account();
    if (ackMs.length >= ACKS_MIN && admissions >= ADMISSIONS_MIN) return;
    await pause(clock, LOOK_EVERY_MS);
  }
}

/** Waits until the collector is calm, or restarts it, so that attacks do not affect each other's figures. */
async function settle(testBed: TestBed, isSpent: boolean): Promise<void> {
  const isCalm = !isSpent && (await testBed.honest.isCalmWithin(CALM_WITHIN_MS));
  if (!isCalm) await testBed.startFresh();
}
