/** The gRPC servers with their services. */
import { addService, createRpcServer, type OnDefect, type RpcOverflow, type SecureServers } from "@lifeline/rpc";
import { queryPb, reportPb, witnessPb } from "@lifeline/wire";
import type { Config } from "../config/config.ts";
import { createIdentityServices } from "../identity/identity.ts";
import { queueQueries } from "../query/query-queue.ts";
import { createQuery } from "../query/query-service.ts";
import type { Core } from "./core.ts";
import type { World } from "./world.ts";

/**
 * One server for authenticated connections, one for others. Both have all services: each call is admitted by itself.
 */
export function createServers(core: Core, config: Config, { clock, log }: World): SecureServers {
  const { areProven, selfMetrics, identity, ingest, receiver } = core;
  const onOverflow = (what: RpcOverflow) => selfMetrics.overflows.inc({ what });
  const onDefect: OnDefect = (method, error) => log.error({ method, err: error }, "a call failed by a defect");
  const authenticated = createRpcServer(areProven ? "authenticated" : "local", clock, onOverflow);
  const unauthenticated = createRpcServer("unauthenticated", clock, onOverflow);
  const queries = queriesOf(core, config, clock);
  const identityServices = createIdentityServices(identity, config, {
    store: core.store,
    selfMetrics,
    clock,
    log,
    onDefect,
    endStreams: (nodeId, why) => ingest.streams.endNode(nodeId, why),
    isSilent: (nodeId) => ingest.streams.isSilent(nodeId),
  });
  for (const server of [authenticated, unauthenticated]) {
    addService(server, reportPb.ReportService, ingest.service, onDefect, identity.access.node);
    addService(server, queryPb.QueryService, queries, onDefect, identity.access.reader);
    addService(server, witnessPb.WitnessService, receiver.service, onDefect, identity.access.witness);
    identityServices.addTo(server);
  }
  return { authenticated, unauthenticated };
}

function queriesOf({ fleet, judging, store, requirements }: Core, config: Config, clock: World["clock"]) {
  const catalogueVersion = requirements.catalogue.version;
  return queueQueries(createQuery({ fleet, judging, store, clock, catalogueVersion, retention: config }));
}
