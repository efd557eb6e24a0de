/** A running agent: what can be read of it, and the order in which it stops. */
import type { Prober, ProberStats } from "@lifeline/prober";
import type { Logger } from "pino";
import type { Enrolment, EnrolmentStats } from "./enrol/enrolment.ts";
import type { PlanKeeper } from "./plan/plan-keeper.ts";
import type { Reporter } from "./report/reporter.ts";
import type { SpoolStats } from "./spool/spool.ts";
import type { Identity } from "./state/node-identity.ts";
import type { AgentState } from "./state/open-state.ts";
import type { TalosWatch } from "./talos/view.ts";
import type { Uplink, UplinkStats } from "./uplink/uplink.ts";

/** How long stopping waits for the collector, ms: Talos kills ten seconds after SIGTERM. */
export const FLUSH_GRACE_MS = 3_000;

/** Figures of a running agent; counters are since its start. */
export interface AgentStats {
  readonly prober: ProberStats;
  readonly spool: SpoolStats;
  /** Undefined without a collector. */
  readonly uplink: UplinkStats | undefined;
  /** Undefined unless the node enrols. */
  readonly enrolment: EnrolmentStats | undefined;
  readonly sealedWindows: number;
  /** Plans of the collector that could not be used. */
  readonly refusedPlans: number;
  /** Undefined unless the settings open Talos's socket. */
  readonly talos: ReturnType<TalosWatch["stats"]> | undefined;
}

/** A running agent. */
export interface Agent {
  readonly identity: Identity;
  /** 16 bytes, of this start. */
  readonly bootId: Uint8Array;
  /** Revision of the plan that is measured; empty without one. */
  planRevision(): string;
  stats(): AgentStats;
  /** Stops probing, seals, spools, and gives the collector FLUSH_GRACE_MS to acknowledge. Idempotent. */
  stop(): Promise<void>;
}

/** The parts of an agent, as startAgent connected them. */
export interface AgentParts extends AgentState {
  readonly plan: PlanKeeper;
  readonly talos: TalosWatch | undefined;
  readonly enrolment: Enrolment | undefined;
  readonly uplink: Uplink | undefined;
  readonly reporter: Reporter;
  readonly prober: Prober;
  readonly endIdleHint: (() => void) | undefined;
  readonly log: Logger;
}

/** The agent that consists of these parts. */
export class RunningAgent implements Agent {
  readonly #parts: AgentParts;
  #stopping: Promise<void> | undefined;

  constructor(parts: AgentParts) {
    this.#parts = parts;
  }

  get identity(): Identity {
    return this.#parts.identity;
  }

  get bootId(): Uint8Array {
    return this.#parts.bootId;
  }

  planRevision(): string {
    return this.#parts.plan.revision();
  }

  stats(): AgentStats {
    const { prober, spool, uplink, enrolment, reporter, plan, talos } = this.#parts;
    return {
      prober: prober.stats(),
      spool: spool.stats(),
      uplink: uplink?.stats(),
      enrolment: enrolment?.stats(),
      sealedWindows: reporter.sealedWindows(),
      refusedPlans: plan.refusedPlans(),
      talos: talos?.stats(),
    };
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { endIdleHint, talos, prober, reporter, uplink, enrolment, plan, spool, unlock, log } = this.#parts;
    endIdleHint?.();
    talos?.stop();
    prober.stop();
    await reporter.spooled();
    await uplink?.flush(FLUSH_GRACE_MS);
    // Begun before the uplink stops: the uplink may be waiting for an attempt to enrol.
    const enrolmentStopped = enrolment?.stop();
    await uplink?.stop();
    await enrolmentStopped;
    await plan.cached();
    await spool.close();
    unlock();
    reporter.stop();
    log.info({ spoolReports: spool.stats().heldReports }, "agent stopped");
  }
}
