/** Work that is due from time to time: stale targets, cadences, certificates that end, roll-ups, retention. */
import type { Timer } from "@lifeline/measure";
import type { Config } from "../config/config.ts";
import { ClockSteps } from "../fleet/clock-steps.ts";
import { nodeRecordOf } from "../fleet/node-record.ts";
import { applyNodeEvent } from "../fleet/node-state.ts";
import { RetentionJob } from "../retention/retention-job.ts";
import { startRollUps } from "../retention/roll-up-job.ts";
import type { Core } from "./core.ts";
import type { World } from "./world.ts";

/** Time between ticks, ms. */
const TICK_MS = 1_000;

/** Runs from its construction until it is stopped. */
export class PeriodicWork {
  readonly #core: Core;
  readonly #world: World;
  readonly #steps: ClockSteps;
  readonly #retention: RetentionJob;
  readonly #rollUps: ReturnType<typeof startRollUps>;
  #ticking: Timer;

  constructor(core: Core, config: Config, world: World) {
    const { clock, log } = world;
    const { fleet, issuers, store, selfMetrics, lastRunMs, identity } = core;
    const { registry } = identity;
    this.#core = core;
    this.#world = world;
    this.#steps = new ClockSteps(clock);
    this.#ticking = clock.after(TICK_MS, () => this.#tick());
    const common = { fleet, issuers, registry, store, clock, log, lastRunMs };
    this.#retention = new RetentionJob({ ...common, retention: config, selfMetrics });
    this.#retention.start();
    this.#rollUps = startRollUps(store, clock, selfMetrics);
  }

  stop(): void {
    this.#ticking.cancel();
    this.#retention.stop();
    this.#rollUps.stop();
  }

  #tick(): void {
    const { fleet, judging, ingest } = this.#core;
    const { clock } = this.#world;
    this.#followClock();
    if (fleet.updateCadences(clock.wallMs())) this.#touchAll();
    this.#followRedirects();
    judging.tick();
    ingest.streams.endExpired();
    this.#ticking = clock.after(TICK_MS, () => this.#tick());
  }

  /** Learned hosts are facts of a node: they are kept, so that a start plans and judges as before (J1). */
  #followRedirects(): void {
    const { fleet, judging, store } = this.#core;
    const nowMs = this.#world.clock.wallMs();
    for (const node of fleet.followRedirects(nowMs)) {
      judging.touch(node);
      // What the store refuses is saved with the next Hello or the next change.
      void store.submit("saveNode", nodeRecordOf(node, nowMs, undefined)).catch(() => undefined);
    }
  }

  #followClock(): void {
    const { clock, log } = this.#world;
    const stepMs = this.#steps.takeStepMs();
    if (stepMs === 0) return;
    log.warn({ stepMs }, "the collector's clock was set; nodes are judged by their own clocks as before");
    const [nowMs, monotonicNs] = [clock.wallMs(), clock.monotonicNs()];
    for (const node of this.#core.fleet.nodes.values()) {
      applyNodeEvent(node, { kind: "collector-clock-stepped", stepMs, nowMs, monotonicNs });
    }
    this.#touchAll();
  }

  #touchAll(): void {
    for (const node of this.#core.fleet.nodes.values()) this.#core.judging.touch(node);
  }
}
