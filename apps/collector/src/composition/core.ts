/** The collector without its ports: store, identity, fleet, judging and ingest, with the fleet as it was before. */
import { EventEmitter } from "node:events";
import type { Config } from "../config/config.ts";
import { openDataDirectory } from "../config/data-directory.ts";
import { exportGauges } from "../export/collector-gauges.ts";
import { createSelfMetrics, type SelfMetrics } from "../export/self-metrics.ts";
import { Fleet } from "../fleet/fleet.ts";
import { rehydrate } from "../fleet/rehydrate.ts";
import { type Identity, openIdentity, readCredentials } from "../identity/identity.ts";
import { loadRequirements, type Requirements } from "../judging/requirements.ts";
import { pruneBeforeMs } from "../retention/retention.ts";
import type { Store } from "../store/store.ts";
import { BacklogLimiter } from "../streams/backlog-limiter.ts";
import { Ingest } from "../streams/ingest.ts";
import { NodeScheduler } from "../streams/node-scheduler.ts";
import { assembleJudging, type JudgingAssembly } from "./judging-parts.ts";
import { openOwnStore, type StoreActivity } from "./open-own-store.ts";
import type { World } from "./world.ts";

const MS_PER_S = 1_000;

/** What services, ports and periodic work use. */
export interface Core extends JudgingAssembly {
  readonly requirements: Requirements;
  readonly selfMetrics: SelfMetrics;
  readonly store: Store;
  readonly identity: Identity;
  readonly fleet: Fleet;
  readonly ingest: Ingest;
  /** Whether nodes' streams are authenticated. */
  readonly areProven: boolean;
  /** When retention ran last, ms since the epoch; before the first time: the first contact of a node, else now. */
  readonly lastRunMs: number;
}

/**
 * Opens everything that needs no port, and judges every known node. Rejects with ConfigError, CatalogueError or
 * StoreError.
 */
export async function openCore(config: Config, world: World): Promise<Core> {
  const { clock, log, quotaBytes } = world;
  const requirements = loadRequirements(config);
  const dataPath = openDataDirectory(config.dataDir);
  const identityWorld = { clock, log, environment: world.environment ?? {} };
  const credentials = await readCredentials(config, identityWorld);
  const selfMetrics = createSelfMetrics();
  const activity: StoreActivity = new EventEmitter();
  const store = await openOwnStore(dataPath, activity, selfMetrics, world);
  const identity = await openIdentity(credentials, store, selfMetrics, identityWorld);
  const areProven = identity.certificates !== undefined;

  const backlog = new BacklogLimiter(() => store.load());
  activity.on("settled", () => backlog.review());
  const fleet = new Fleet(requirements, { onOverflow: (what) => selfMetrics.overflows.inc({ what }), quotaBytes });
  const scheduler = new NodeScheduler(clock);
  const judged = assembleJudging({ fleet, store, scheduler, clock, log, selfMetrics, areProven });
  const { access } = identity;
  const { judging } = judged;
  const endedMs = await store.submit("lastHourEndedMs", {});
  const nowMs = clock.wallMs();
  await rehydrate(fleet, store, clock, pruneBeforeMs(config, endedMs ?? nowMs)[10]);
  for (const node of fleet.nodes.values()) judging.judge(node);

  // Last: from now on it counts how long a node id has been silent, and no node could connect before.
  const { maxStreams } = config;
  const ingest = new Ingest({ fleet, judging, store, selfMetrics, backlog, scheduler, clock, access, maxStreams });
  exportGauges(selfMetrics.registry, {
    streams: () => ingest.streams.size,
    storePending: () => store.pending(),
    deferred: () => backlog.waiting,
    caExpiryS: () => (credentials.ca?.notAfterMs ?? Number.NaN) / MS_PER_S,
  });
  const lastRunMs = endedMs ?? firstContactMs(fleet, nowMs);
  return { ...judged, requirements, selfMetrics, store, identity, fleet, ingest, areProven, lastRunMs };
}

/** When the first of the known nodes was seen first, ms since the epoch; `nowMs` without a node. */
function firstContactMs({ nodes }: Pick<Fleet, "nodes">, nowMs: number): number {
  let firstMs = nowMs;
  for (const { firstSeenMs } of nodes.values()) firstMs = Math.min(firstMs, firstSeenMs);
  return firstMs;
}
