/**
 * The collector: admit → ingest → store → judge → query · metrics · health.
 *
 * 1. It listens only once the store is open and the fleet is what it was before (U1).
 * 2. It is crash-only: what is acknowledged is on disk. A stop only informs the agents.
 */
import { type Clock, endpointName } from "@lifeline/measure";
import { type SecureServers, shutDown } from "@lifeline/rpc";
import { type Core, openCore } from "./composition/core.ts";
import { httpContent } from "./composition/http-content.ts";
import { PeriodicWork } from "./composition/periodic-work.ts";
import { createServers } from "./composition/servers.ts";
import type { World } from "./composition/world.ts";
import type { Config } from "./config/config.ts";
import { exportConnections } from "./export/collector-gauges.ts";
import { startHttp } from "./export/http-server.ts";
import { cannotListen, openListener } from "./streams/grpc-listener.ts";

/** Longest a stop may take, ms: the unit or pod that runs the collector must grant more. */
export const STOP_WITHIN_MS = 3_000;

/** How long streams and calls may take to end at a stop, ms: a third of {@link STOP_WITHIN_MS}. */
const SHUT_DOWN_GRACE_MS = 1_000;

/** A collector that serves. */
export interface Collector {
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Ends streams, commits what was received, closes the store. Idempotent. */
  stop(): Promise<void>;
}

/** Starts a collector. Rejects with ConfigError, CatalogueError, StoreError or what the sockets said. */
export async function startCollector(config: Config, world: World): Promise<Collector> {
  const core = await openCore(config, world);
  const servers = createServers(core, config, world);
  const undo: (() => unknown)[] = [() => core.store.close()];
  try {
    const http = await openHttp(core, config, world);
    undo.unshift(() => http.stop());
    const listener = await openPort(core, servers, config, world);
    undo.unshift(() => listener.close());
    exportConnections(core.selfMetrics.registry, () => listener.connections());
    const periodic = new PeriodicWork(core, config, world);
    const stop = async () => {
      periodic.stop();
      listener.close();
      await endCalls(core, servers, world.clock);
      await http.stop();
      await core.store.close();
    };
    let stopping: Promise<void> | undefined;
    return { grpcPort: listener.port, httpPort: http.port, stop: () => (stopping ??= stop()) };
  } catch (error) {
    for (const step of undo) await step();
    throw error;
  }
}

function openHttp(core: Core, config: Config, world: World) {
  const { host, port } = config.httpListen;
  const address = { host, port, names: config.httpNames };
  return startHttp(address, httpContent(core, world), world.clock).catch(() =>
    cannotListen("httpListen", endpointName(host, port)),
  );
}

function openPort({ identity, selfMetrics }: Core, servers: SecureServers, config: Config, { clock, log }: World) {
  return openListener(servers, config, identity.certificates, { clock, log, selfMetrics });
}

/** Ends streams and calls, and writes what was judged. */
async function endCalls({ ingest, judging, identity }: Core, servers: SecureServers, clock: Clock): Promise<void> {
  ingest.streams.endAll();
  const all = [servers.authenticated, servers.unauthenticated];
  await Promise.all(all.map((server) => shutDown(server, SHUT_DOWN_GRACE_MS, clock.after)));
  judging.stop();
  await judging.flush();
  await identity.registry.stop();
}
