/** What the HTTP port answers: metrics of the collector and of the fleet, and readiness. */
import { LIFELINE_VERSION } from "@lifeline/measure";
import { fleetSeries } from "../export/fleet-series.ts";
import type { HttpContent } from "../export/http-server.ts";
import type { SelfMetrics } from "../export/self-metrics.ts";
import type { Core } from "./core.ts";
import { notReady } from "./readiness.ts";
import type { World } from "./world.ts";

export function httpContent(core: Core, { clock, log }: World): HttpContent {
  const { requirements, selfMetrics, fleet, receiver, store } = core;
  const info = {
    collectorVersion: LIFELINE_VERSION,
    catalogueVersion: requirements.catalogue.version,
    deployment: requirements.deployment.name,
  };
  return {
    metrics: () => metrics(selfMetrics, () => fleetSeries(fleet, receiver, info, clock.wallMs())),
    notReady: () => notReady(store, clock),
    onDefect: (error) => log.error({ err: error }, "an HTTP request failed by a defect"),
    onOverflow: (what) => selfMetrics.overflows.inc({ what }),
    onRefused: (reason) => selfMetrics.refusedRequests.inc({ reason }),
  };
}

async function* metrics(selfMetrics: SelfMetrics, series: () => Iterable<string>): AsyncGenerator<string> {
  yield await selfMetrics.registry.metrics();
  yield "\n";
  yield* series();
}
