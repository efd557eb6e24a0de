/** Plays an attack, and measures what it costs the collector and honest nodes. */
import { pause } from "@lifeline/measure";
import { type Attack, type Claim, type Outcome, outcomeOf, type Standing } from "./attack.ts";
import { p99 } from "./honest.ts";
import { Meter } from "./meter.ts";
import type { Stage } from "./stage.ts";

/** Most that any attack may cost, with the attacker on the same two cores. */
export const LIMITS = {
  restarts: 0,
  /** A quarter of what the container has; MB are 10^6 bytes. */
  peakRssMb: 512,
  honestAckP99Ms: 250,
  /** From an honest node's first attempt to connect to its plan, tries that fail among it: an agent's own first wait is as long. */
  honestAdmitMs: 5_000,
} as const;

/** An attack that was played. */
export interface Played {
  readonly attack: string;
  readonly standing: Standing;
  readonly tries: string;
  readonly outcome: Outcome["outcome"];
  readonly observed: string;
  readonly collectorCpuSeconds: number;
  /** Largest resident set of the collector; MB are 10^6 bytes. */
  readonly peakRssMb: number;
  /** From when a report was due to its acknowledgement, 99th percentile. */
  readonly honestAckP99Ms: number;
  /** Longest that an honest node took to be admitted; null: none connected meanwhile. */
  readonly honestAdmitMs: number | null;
  readonly restarts: number;
  /** What kept the collector to 2 GiB. */
  readonly memoryLimit: string;
}

/** How often the collector is looked at, ms. */
const LOOK_EVERY_MS = 100;

/** Honest acknowledgements that an attack is measured by, at least, and how long they are waited for, ms. */
const ACKS_MIN = 20;
const ACKS_WITHIN_MS = 10_000;

/** How long the collector may take to be calm again before it is started anew for the next attack, ms. */
const CALM_WITHIN_MS = 5_000;

/** Above this a collector is started anew for the next attack, so that each answers for its own memory. */
const FRESH_ABOVE_MB = 250;

/** Plays one attack. Never rejects for what the attack does. */
export async function play({ name, standing, tries, run }: Attack, stage: Stage): Promise<Played> {
  const { collector, honest } = stage;
  const watch = new Watch(stage);
  await watch.begin();
  const outcome = await run(stage).catch((error: unknown) => brokeWith(error));
  await untilMeasured(stage);
  const { ackMs, admitMs, refused } = await honest.account();
  const { cpuSeconds, peakRssMb } = await watch.end();
  const honestAckP99Ms = Math.round(p99(ackMs) ?? Number.POSITIVE_INFINITY);
  const honestAdmitMs = admitMs.length === 0 ? null : Math.round(Math.max(...admitMs));
  const { restarts } = watch;
  const limits = outcomeOf(
    [`${restarts} restarts of the collector`, restarts <= LIMITS.restarts],
    [`it held ${Math.round(peakRssMb)} MB`, peakRssMb < LIMITS.peakRssMb],
    [`an honest acknowledgement took ${honestAckP99Ms} ms`, honestAckP99Ms <= LIMITS.honestAckP99Ms],
    [`an honest node came in within ${honestAdmitMs} ms`, (honestAdmitMs ?? 0) <= LIMITS.honestAdmitMs],
    [`${refused} honest reports were refused`, refused === 0],
  );
  const played = {
    attack: name,
    standing,
    tries,
    ...joined(outcome, limits),
    collectorCpuSeconds: Math.round(cpuSeconds * 100) / 100,
    peakRssMb: Math.round(peakRssMb),
    honestAckP99Ms,
    honestAdmitMs,
    restarts,
    memoryLimit: collector.limit.kind,
  };
  await settle(stage, played.outcome === "broke" || peakRssMb > FRESH_ABOVE_MB);
  return played;
}

function brokeWith(error: unknown): Outcome {
  const claim: Claim = [`it ended with: ${error instanceof Error ? error.message : String(error)}`, false];
  return outcomeOf(claim);
}

/** Broken by either; what was seen stands first. */
function joined(outcome: Outcome, limits: Outcome): Outcome {
  if (limits.outcome === "held" || outcome.outcome === "skipped") return outcome;
  return { outcome: "broke", observed: `${limits.observed}; ${outcome.observed}` };
}

async function untilMeasured({ honest, clock }: Stage): Promise<void> {
  for (let waitedMs = 0; waitedMs < ACKS_WITHIN_MS; waitedMs += LOOK_EVERY_MS) {
    const { ackMs } = await honest.account();
    if (ackMs.length >= ACKS_MIN) return;
    await pause(clock, LOOK_EVERY_MS);
  }
}

/** Makes the stage as it was, for the next attack. */
async function settle(stage: Stage, isSpent: boolean): Promise<void> {
  const isCalm = !isSpent && (await stage.honest.isCalmWithin(CALM_WITHIN_MS));
  if (!isCalm) await stage.startFresh();
}

/** Looks at the collector while an attack lasts, and starts it again when it has died. */
class Watch {
  restarts = 0;
  readonly #stage: Stage;
  readonly #meter = new Meter();
  readonly #over = new AbortController();
  #looking: Promise<void> = Promise.resolve();

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  async begin(): Promise<void> {
    const { collector, honest } = this.#stage;
    await collector.start();
    if (collector.pid !== undefined) this.#meter.begin(collector.pid);
    honest.tell({ kind: "begin" });
    this.#looking = this.#look();
  }

  async end() {
    this.#over.abort();
    await this.#looking;
    return this.#meter.usage();
  }

  async #look(): Promise<void> {
    const { collector, clock } = this.#stage;
    while (!this.#over.signal.aborted) {
      this.#meter.sample(collector.pid);
      if (!collector.isAlive) {
        this.restarts += 1;
        await this.#stage.revive();
      }
      await pause(clock, LOOK_EVERY_MS, this.#over.signal);
    }
    this.#meter.sample(collector.pid);
  }
}
