/** Plays an attack, and measures what it costs the collector and honest nodes. */
import { type Attack, type Claim, type Outcome, outcomeOf, type Position } from "./attack.ts";
import { Watch } from "./attack-watch.ts";
import { calmAckMs, type HonestWaits, waitsOf } from "./honest.ts";
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
  /** How many times as long the collector took as on a processor of its own (meter.ts). */
  readonly slowdown: number;
  /** How long honest nodes waited just before the attack. */
  readonly usual: HonestWaits;
  /** How long they waited during the attack. */
  readonly honest: HonestWaits;
  /** Honest reports that were refused for good. */
  readonly honestRefused: number;
  readonly restarts: number;
  /** What kept the collector to 2 GiB. */
  readonly memoryLimit: string;
}

/** Most that an attack may cost. Waits are those of a machine with nothing else to do (see {@link judged}). */
export interface Limits {
  readonly peakRssMb: number;
  readonly ackP99Ms: number;
  readonly admitMs: number;
}

/**
 * With the attacker on the same two cores: a quarter of the memory that the container has; what a person takes for at
 * once; and for an honest node from its first attempt to connect to its plan, attempts that fail among it, as long as
 * an agent waits once.
 */
export const LIMITS: Limits = { peakRssMb: 512, ackP99Ms: 250, admitMs: 5_000 };

/** Honest nodes may wait so many times as long as just before the attack, where that is more than the limit. */
export const TIMES_USUAL_MAX = 10;

/** A collector that is not calm after this time, ms, is restarted. */
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
  const usual = await testBed.honest.measure();
  const watch = new Watch(testBed);
  await watch.begin();
  const outcome = await run(testBed).catch(brokeWith);
  const account = await testBed.honest.settled();
  const { cpuSeconds, peakRssMb, slowdown } = await watch.end();
  const honest = waitsOf(account);
  const played = {
    attack: name,
    position,
    tries,
    ...outcome,
    collectorCpuSeconds: Math.round(cpuSeconds * 100) / 100,
    peakRssMb: Math.round(peakRssMb),
    slowdown: Math.round(slowdown * 100) / 100,
    usual,
    honest,
    honestRefused: account.refused,
    restarts: watch.restarts,
    memoryLimit: testBed.collector.limit.kind,
  };
  const isSpent = outcome.outcome === "broke" || watch.restarts > 0 || peakRssMb > FRESH_ABOVE_MB;
  const wasCalm = honest.ackP99Ms !== null && honest.ackP99Ms <= calmAckMs(usual);
  if (isSpent || !wasCalm) await settle(testBed, isSpent, usual);
  return played;
}

/**
 * An attack also counts as broken when it costs too much; the cost is then named first. On a busy machine honest nodes
 * wait longer for reasons that the attack has no part in: the collector waits for a processor, or its disk is slow. So
 * they may wait as many times longer as the collector took for its work, and ten times as long as just before.
 */
export function judged(played: Played, limits: Limits): Played {
  if (played.outcome === "skipped") return played;
  const { restarts, peakRssMb, honestRefused } = played;
  const { outcome, observed } = outcomeOf(
    [`the collector exited ${restarts} times`, restarts === 0],
    [`it held ${peakRssMb} MB`, peakRssMb < limits.peakRssMb],
    waited("an honest report was acknowledged", "ackP99Ms", played, limits),
    waited("an honest node was admitted", "admitMs", played, limits),
    [`${honestRefused} honest reports were refused`, honestRefused === 0],
  );
  return outcome === "held" ? played : { ...played, outcome, observed: `${observed}; ${played.observed}` };
}

/** Whether a wait of honest nodes was within its limit. A wait that was not measured is not. */
function waited(what: string, wait: keyof HonestWaits, { usual, honest, slowdown }: Played, limits: Limits): Claim {
  const [before, during] = [usual[wait], honest[wait]];
  if (before === null) return [`${what} not once before the attack`, false];
  if (during === null) return [`${what} not once`, false];
  const maxMs = Math.round(Math.max(limits[wait] * slowdown, TIMES_USUAL_MAX * before));
  const why = `${before} ms before the attack, slowdown ${slowdown}`;
  return [`${what} after ${during} ms, want at most ${maxMs} ms (${why})`, during <= maxMs];
}

function brokeWith(error: unknown): Outcome {
  return outcomeOf([`it ended with: ${error instanceof Error ? error.message : String(error)}`, false]);
}

/** Waits until the collector is calm, or restarts it, so that attacks do not affect each other's figures. */
async function settle(testBed: TestBed, isSpent: boolean, usual: HonestWaits): Promise<void> {
  const isCalm = !isSpent && (await testBed.honest.isCalmWithin(CALM_WITHIN_MS, usual));
  if (!isCalm) await testBed.startFresh(usual);
}
