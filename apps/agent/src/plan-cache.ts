/** The collector's latest plan, kept on disk: an agent that starts while the collector is away goes on measuring. */
import { open, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Plan } from "@lifeline/wire";
import { ConfigError } from "./config-error.ts";
import { readPlanFile } from "./plan-file.ts";

/** The cached plan, nothing, or why it cannot be used. */
export type CachedPlan =
  | { readonly kind: "plan"; readonly plan: Plan }
  | { readonly kind: "none" }
  | { readonly kind: "unusable"; readonly detail: string };

/** Path of the cache. */
export function planCachePath(stateDir: string): string {
  return join(stateDir, "plan.json");
}

/** Reads the cache. What cannot be used is told and left where it is. */
export function loadCachedPlan(stateDir: string): CachedPlan {
  try {
    return { kind: "plan", plan: readPlanFile(planCachePath(stateDir)) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.code === "unreadable" ? { kind: "none" } : { kind: "unusable", detail: error.message };
  }
}

/**
 * Replaces the cache as a whole: written beside it, synced, renamed, and the rename synced. Rejects with the system's error;
 * the old plan is then still there.
 */
export async function storeCachedPlan(stateDir: string, plan: Plan): Promise<void> {
  const path = planCachePath(stateDir);
  const draft = `${path}.tmp`;
  const file = await open(draft, "w", 0o600);
  try {
    await file.writeFile(JSON.stringify(plan));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
  const directory = await open(stateDir, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
