/**
 * The plan that is measured: that of the configured file, or the collector's latest.
 *
 * 1. A plan of the collector is taken whole or not at all; the plan before it stays.
 * 2. The collector's plan is cached on disk, so an agent that starts without the collector measures at once.
 */
import type { Target } from "@lifeline/measure";
import { type Plan, planFromWire, type reportPb } from "@lifeline/wire";
import type { Logger } from "pino";
import { systemCode } from "../state/system-code.ts";
import { loadCachedPlan, storeCachedPlan } from "./plan-cache.ts";

/** What a {@link PlanKeeper} needs. */
export interface PlanKeeperOptions {
  /** The configured file's plan; undefined: the collector gives the plan. */
  readonly filePlan: Plan | undefined;
  readonly stateDir: string;
  readonly log: Logger;
}

/** Keeps the current plan. */
export class PlanKeeper {
  readonly #options: PlanKeeperOptions;
  #plan: Plan | undefined;
  #apply: ((targets: readonly Target[]) => void) | undefined;
  #refusedPlans = 0;
  #caching: Promise<void> = Promise.resolve();

  constructor(options: PlanKeeperOptions) {
    this.#options = options;
    this.#plan = options.filePlan ?? this.#cachedPlan();
  }

  /** Revision of the current plan; empty without one. */
  revision(): string {
    return this.#plan?.revision ?? "";
  }

  /** Plans of the collector that could not be used. */
  refusedPlans(): number {
    return this.#refusedPlans;
  }

  /** Calls `apply` with the targets of the current plan, if there is one, and of each later plan. */
  follow(apply: (targets: readonly Target[]) => void): void {
    this.#apply = apply;
    if (this.#plan !== undefined) this.#use(this.#plan);
  }

  /** Takes a plan from the collector, unless the plan is a file's. */
  admit(wire: reportPb.Plan): void {
    const { filePlan, log } = this.#options;
    if (filePlan !== undefined) {
      log.debug({ revision: wire.revision }, "the collector's plan is ignored: plan.file is set");
      return;
    }
    const decoded = planFromWire(wire);
    if (!decoded.ok) {
      this.#refusedPlans += 1;
      log.warn(decoded.malformed, "the collector's plan cannot be used; the plan before it stays");
      return;
    }
    if (decoded.value.revision === this.revision()) return;
    this.#use(decoded.value);
    this.#cache(decoded.value);
  }

  /** Resolves when the latest plan is on disk, or could not be written. Never rejects. */
  cached(): Promise<void> {
    return this.#caching;
  }

  #use(plan: Plan): void {
    this.#plan = plan;
    this.#apply?.(plan.targets);
    this.#options.log.info({ revision: plan.revision, targets: plan.targets.length }, "plan applied");
  }

  #cache(plan: Plan): void {
    const { stateDir, log } = this.#options;
    this.#caching = this.#caching
      .then(() => storeCachedPlan(stateDir, plan))
      .catch((error: unknown) => log.warn({ code: systemCode(error) }, "plan not written to stateDir"));
  }

  #cachedPlan(): Plan | undefined {
    const cached = loadCachedPlan(this.#options.stateDir);
    switch (cached.kind) {
      case "plan":
        return cached.plan;
      case "none":
        return undefined;
      case "unusable":
        this.#options.log.warn(
          { detail: cached.detail },
          "the cached plan cannot be used; the agent waits for the collector's",
        );
        return undefined;
    }
  }
}
