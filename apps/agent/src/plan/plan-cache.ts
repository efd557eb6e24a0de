/** The collector's latest plan, on disk: an agent that starts without the collector measures at once. */
import { join } from "node:path";
import { writeWholeFile } from "@lifeline/identity";
import { ConfigError, problem, readText } from "@lifeline/settings";
import type { Plan } from "@lifeline/wire";
import { parsePlan } from "./plan-file.ts";

/** The cached plan, nothing, or why it cannot be used. */
export type CachedPlan =
  | { readonly kind: "plan"; readonly plan: Plan }
  | { readonly kind: "none" }
  | { readonly kind: "unusable"; readonly detail: string };

/** Path of the cache. */
export function planCachePath(stateDir: string): string {
  return join(stateDir, "plan.json");
}

/** Reads the cache. A file that cannot be used is left where it is. */
export function loadCachedPlan(stateDir: string): CachedPlan {
  const path = planCachePath(stateDir);
  try {
    return { kind: "plan", plan: parsePlan(jsonOf(readText(path), path), path) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.code === "unreadable" ? { kind: "none" } : { kind: "unusable", detail: error.message };
  }
}

/** The cache is JSON, since only this program writes it: YAML's parser needs a second for half a megabyte. */
function jsonOf(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ConfigError(problem("syntax", path, undefined, "a JSON document"));
  }
}

/** Replaces the cache as a whole. Rejects with the system's error, and then leaves the old plan. */
export function storeCachedPlan(stateDir: string, plan: Plan): Promise<void> {
  return writeWholeFile(planCachePath(stateDir), JSON.stringify(plan));
}
