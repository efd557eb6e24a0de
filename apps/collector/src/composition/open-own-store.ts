/** The collector's store, whose database only its owner may read. */
import type { EventEmitter } from "node:events";
import { ConfigError, problem } from "@lifeline/settings";
import type { Logger } from "pino";
import type { SelfMetrics } from "../export/self-metrics.ts";
import { keepToOwner } from "../store/owner-only.ts";
import { openStore, type Store, type StoreEvents } from "../store/store.ts";
import type { World } from "./world.ts";

const NS_PER_S = 1e9;

/** Emits `settled` after each transaction: the store's queue has become shorter. */
export type StoreActivity = EventEmitter<{ settled: [] }>;

/** Opens the store. Rejects with a ConfigError or StoreError. */
export function openOwnStore(
  path: string,
  activity: StoreActivity,
  selfMetrics: SelfMetrics,
  world: World,
): Promise<Store> {
  restrictToOwner(path, world.log);
  return openStore(path, world.clock, storeEvents(activity, selfMetrics, world));
}

function restrictToOwner(path: string, log: Logger): void {
  try {
    keepToOwner(path, log);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    const got = `${JSON.stringify(path)} (${String(error.code)})`;
    throw new ConfigError(problem("bad-value", "dataDir", got, "a file that can be written"));
  }
}

function storeEvents(activity: StoreActivity, selfMetrics: SelfMetrics, { log, onStoreCrash }: World): StoreEvents {
  return {
    onCommit(durationNs, operations) {
      selfMetrics.commitSeconds.observe(durationNs / NS_PER_S);
      selfMetrics.commitOperations.observe(operations);
      activity.emit("settled");
    },
    onFailure(code, detail) {
      selfMetrics.storeFailures.inc();
      activity.emit("settled");
      log.error({ code, detail }, "a transaction failed; nothing of it was acknowledged");
    },
    onOverflow: () => selfMetrics.overflows.inc({ what: "store-queue" }),
    onStoreCrash,
  };
}
