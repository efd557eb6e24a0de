/**
 * The collector: admit → ingest → store → judge → query · metrics · health.
 *
 * 1. It listens only once the store is open and the fleet is what it was before (U1).
 * 2. It is crash-only: what is acknowledged is on disk, so a stop is a courtesy to the agents and nothing more.
 */
import { loadInterception } from "@lifeline/catalogue";
import { type Clock, endpointName, LIFELINE_VERSION } from "@lifeline/measure";
import { addService, createRpcServer, type RpcOverflow, shutDown } from "@lifeline/rpc";
import { ConfigError, problem } from "@lifeline/settings";
import { queryPb, reportPb, witnessPb } from "@lifeline/wire";
import type { Logger } from "pino";
import type { Config } from "./config/config.ts";
import { openDataDirectory } from "./config/data-directory.ts";
import { fleetSeries } from "./export/fleet-series.ts";
import { type HttpContent, startHttp } from "./export/http.ts";
import { createSelfMetrics, type SelfMetrics } from "./export/self-metrics.ts";
import { ClockSteps } from "./fleet/clock-steps.ts";
import { Fleet } from "./fleet/fleet.ts";
import { applyNodeEvent } from "./fleet/node-state.ts";
import { rehydrate } from "./fleet/rehydrate.ts";
import { Witnesses } from "./fleet/witness.ts";
import { WitnessReceiver } from "./fleet/witness-service.ts";
import { createIdentityServices, openIdentity, readCredentials } from "./identity/identity.ts";
import { AffectedNodes } from "./judging/affected-nodes.ts";
import { FleetIssuers } from "./judging/fleet-issuer.ts";
import { JudgementContexts } from "./judging/judgement-context.ts";
import { Judging, type JudgingEvents } from "./judging/judging.ts";
import { loadRequirements } from "./judging/requirements.ts";
import { createQuery } from "./query/query-service.ts";
import { inTurns } from "./query/query-turns.ts";
import { pruneBeforeMs } from "./retention/retention.ts";
import { RetentionJob, type RetentionParts } from "./retention/retention-job.ts";
import { startRollUps } from "./retention/roll-up-job.ts";
import { keepToOwner } from "./store/owner-only.ts";
import { openStore, type Store } from "./store/store.ts";
import { BacklogLimiter } from "./streams/backlog-limiter.ts";
import { Ingest } from "./streams/ingest.ts";
import { cannotListen, type Listener, openListener } from "./streams/listener.ts";
import { Turns } from "./streams/turns.ts";

/** This collector's version, as package.json has it. */

/** Longest a stop may take, ms: whoever runs the collector (a unit, a pod) must grant more. */
export const STOP_WITHIN_MS = 3_000;

/** How long streams and calls may take to end at a stop, ms: a third of {@link STOP_WITHIN_MS}. */
const SHUT_DOWN_GRACE_MS = 1_000;

const MS_PER_S = 1_000;

/** Time between ticks of the judge, ms. */
const TICK_MS = 1_000;

/** How long readiness waits for the store, ms. */
const READY_WITHIN_MS = 1_000;

const NS_PER_S = 1e9;

/** What the collector takes from outside, apart from its configuration. */
export interface World {
  readonly clock: Clock;
  readonly log: Logger;
  /** The store's thread died: the process must end with a failure. */
  readonly onDeath: (error: Error) => void;
  /** Default: empty. Tokens may stand in it. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Bytes in the store that a node may bring in at once. Default BYTES_CAPACITY. */
  readonly quotaBytes?: number;
}

/** A collector that serves. */
export interface Collector {
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Ends streams, commits what was received, closes the store. Idempotent. */
  stop(): Promise<void>;
}

/** Starts a collector. Rejects with ConfigError, CatalogueError, StoreError or what the sockets said. */
export async function startCollector(config: Config, world: World): Promise<Collector> {
  const { clock, log } = world;
  const requirements = loadRequirements(config);
  const dataPath = openDataDirectory(config.dataDir);
  const identityWorld = { clock, log, environment: world.environment ?? {} };
  const credentials = await readCredentials(config, identityWorld);
  let streams = () => 0;
  let storePending = () => 0;
  let storeLoad = () => 0;
  let connections: Listener["connections"] = () => undefined;
  const backlog = new BacklogLimiter(() => storeLoad());
  const vitals = createSelfMetrics({
    streams: () => streams(),
    storePending: () => storePending(),
    deferred: () => backlog.waiting,
    connections: () => connections(),
    caExpiryS: () => (credentials.ca?.notAfterMs ?? Number.NaN) / MS_PER_S,
  });
  ownDatabase(dataPath, log);
  const store = await openStore(dataPath, clock, storeEvents(vitals, backlog, world));
  storePending = store.pending;
  storeLoad = store.load;
  const fleet = new Fleet(requirements, {
    onOverflow: (what) => vitals.overflows.inc({ what }),
    quotaBytes: world.quotaBytes,
  });
  const identity = await openIdentity(credentials, store, vitals, identityWorld);
  const { access } = identity;
  const areProven = identity.certificates !== undefined;
  const witnesses = new Witnesses({ clock, nodes: fleet.nodes, areProven });
  const issuers = new FleetIssuers();
  const contexts = new JudgementContexts({ witnesses, issuers, interception: loadInterception() });
  const turns = new Turns(clock);
  const judging = new Judging({ fleet, store, turns, clock, contexts, issuers, events: judgingEvents(vitals, log) });
  const affected = new AffectedNodes((node) => witnesses.viewOf(node));
  const onReport = () => {
    for (const node of affected.take(fleet.nodes.values(), clock.wallMs())) judging.touch(node);
  };
  const receiver = new WitnessReceiver({ clock, witnesses, onReport });
  const lastRunMs = (await store.submit("lastHourEndedMs", {})) ?? clock.wallMs();
  await rehydrate(fleet, store, clock, pruneBeforeMs(config, lastRunMs)[10]);
  for (const node of fleet.nodes.values()) judging.judge(node);

  const { maxStreams } = config;
  const ingest = new Ingest({ fleet, judging, store, selfMetrics: vitals, backlog, turns, clock, access, maxStreams });
  streams = () => ingest.streams.size;
  const onOverflow = (what: RpcOverflow) => vitals.overflows.inc({ what });
  const authenticated = createRpcServer(areProven ? "authenticated" : "local", clock, onOverflow);
  const servers = { authenticated, unauthenticated: createRpcServer("unauthenticated", clock, onOverflow) };
  const onDefect = (method: string, error: unknown) => log.error({ method, err: error }, "a call failed by a defect");
  const queries = inTurns(
    createQuery({
      fleet,
      judging,
      store,
      clock,
      catalogueVersion: requirements.catalogue.version,
      retention: config,
    }),
  );
  const identityParts = {
    store,
    vitals,
    clock,
    log,
    onDefect,
    endStreams: (nodeId: string, why: string) => ingest.streams.endNode(nodeId, why),
    isSilent: (nodeId: string) => ingest.streams.isSilent(nodeId),
  };
  const identityServices = createIdentityServices(identity, config, identityParts);
  for (const server of Object.values(servers)) {
    addService(server, reportPb.ReportService, ingest.service, onDefect, access.node);
    addService(server, queryPb.QueryService, queries, onDefect, access.reader);
    addService(server, witnessPb.WitnessService, receiver.service, onDefect, access.witness);
    identityServices.addTo(server);
  }
  const info = {
    collectorVersion: LIFELINE_VERSION,
    catalogueVersion: requirements.catalogue.version,
    deployment: requirements.deployment.name,
  };
  const undo: (() => Promise<void>)[] = [() => store.close()];
  try {
    const content: HttpContent = {
      metrics: () => metrics(vitals, () => fleetSeries(fleet, receiver, info, clock.wallMs())),
      notReady: () => notReady(store, clock),
      onDefect: (error) => onDefect("http", error),
      onOverflow: (what) => vitals.overflows.inc({ what }),
      onRefused: (reason) => vitals.refusedRequests.inc({ reason }),
    };
    const http = await startHttp({ ...config.httpListen, names: config.httpNames }, content, clock).catch(() =>
      cannotListen("httpListen", endpointName(config.httpListen.host, config.httpListen.port)),
    );
    undo.unshift(http.stop);
    const listener = await openListener(servers, config, identity.certificates, { clock, log, vitals });
    connections = listener.connections;
    undo.unshift(async () => listener.close());
    const { registry } = identity;
    const roundParts = { fleet, issuers, store, retention: config, vitals, clock };
    const rounds = startRounds({ ingest, judging, registry, lastRunMs, log, ...roundParts });
    let stopping: Promise<void> | undefined;
    const stop = async () => {
      rounds.stop();
      listener.close();
      ingest.streams.endAll();
      const endings = Object.values(servers);
      await Promise.all(endings.map((server) => shutDown(server, SHUT_DOWN_GRACE_MS, clock.after)));
      judging.stop();
      await judging.flush();
      await identity.registry.stop();
      await http.stop();
      await store.close();
    };
    return { grpcPort: listener.port, httpPort: http.port, stop: () => (stopping ??= stop()) };
  } catch (error) {
    for (const step of undo) await step();
    throw error;
  }
}

function ownDatabase(path: string, log: Logger): void {
  try {
    keepToOwner(path, log);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    const got = `${JSON.stringify(path)} (${String(error.code)})`;
    throw new ConfigError(problem("bad-value", "dataDir", got, "a file that can be written"));
  }
}

function storeEvents(vitals: SelfMetrics, backlog: Pick<BacklogLimiter, "review">, { log, onDeath }: World) {
  return {
    onCommit(durationNs: number, operations: number) {
      vitals.commitSeconds.observe(durationNs / NS_PER_S);
      vitals.commitOperations.observe(operations);
      backlog.review();
    },
    onFailure(code: string, detail: string) {
      vitals.storeFailures.inc();
      backlog.review();
      log.error({ code, detail }, "a transaction failed; nothing of it was acknowledged");
    },
    onOverflow: () => vitals.overflows.inc({ what: "store-queue" }),
    onDeath,
  };
}

function judgingEvents(vitals: SelfMetrics, log: Logger): JudgingEvents {
  return {
    onJudged: (durationNs) => vitals.judgeSeconds.observe(durationNs / NS_PER_S),
    onIncident(nodeId, change, { targetId, verdict, cause, startedAtMs, endedAtMs, evidence }) {
      log.info({ nodeId, targetId, verdict, cause, startedAtMs, endedAtMs, evidence }, `incident ${change}`);
    },
    onOverflow: (what) => vitals.overflows.inc({ what }),
    onOrphan: () => vitals.orphanWrites.inc(),
  };
}

async function* metrics(vitals: SelfMetrics, series: () => Iterable<string>): AsyncGenerator<string> {
  yield await vitals.registry.metrics();
  yield "\n";
  yield* series();
}

/** Ready when a write becomes durable in time. */
async function notReady(store: Store, clock: Clock): Promise<string | undefined> {
  const written = store.submit("touch", { nowMs: Math.round(clock.wallMs()) }).then(
    () => undefined,
    ({ code }: { code: string }) => `the store cannot write: ${code}`,
  );
  return new Promise((resolve) => {
    const timer = clock.after(READY_WITHIN_MS, () => resolve(`the store has not written for ${READY_WITHIN_MS} ms`));
    void written.then((reason) => {
      timer.cancel();
      resolve(reason);
    });
  });
}

interface RoundParts extends RetentionParts {
  readonly fleet: Fleet;
  readonly store: Store;
  readonly vitals: SelfMetrics;
  readonly log: Logger;
  readonly ingest: Ingest;
  readonly judging: Judging;
}

/** The work that time brings: staleness, the fleet's cadences, rolling up, pruning. */
function startRounds(parts: RoundParts): { stop(): void } {
  const { ingest, fleet, judging, store, vitals, clock, log } = parts;
  const steps = new ClockSteps(clock);
  const tick = () => {
    const stepMs = steps.takeStepMs();
    if (stepMs !== 0) {
      log.warn({ stepMs }, "the collector's clock was set; nodes are judged by their own clocks as before");
      const stepped = {
        kind: "collector-clock-stepped",
        stepMs,
        nowMs: clock.wallMs(),
        monotonicNs: clock.monotonicNs(),
      } as const;
      for (const node of fleet.nodes.values()) {
        applyNodeEvent(node, stepped);
        judging.touch(node);
      }
    }
    if (fleet.updateCadences(clock.wallMs())) for (const node of fleet.nodes.values()) judging.touch(node);
    judging.tick();
    ingest.streams.endExpired();
    ticking = clock.after(TICK_MS, tick);
  };
  let ticking = clock.after(TICK_MS, tick);
  const retention = new RetentionJob(parts);
  retention.start();
  const rollUps = startRollUps(store, clock, vitals);
  return {
    stop() {
      ticking.cancel();
      retention.stop();
      rollUps.stop();
    },
  };
}
