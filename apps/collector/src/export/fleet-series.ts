/** Every series of the fleet in Prometheus's text format. */
import type { Fleet } from "../fleet/fleet.ts";
import type { WitnessReceiver } from "../fleet/witness-service.ts";
import { nodeSeries } from "./node-series.ts";
import { probeSeries } from "./probe-series.ts";
import { head, labelsText } from "./prometheus-text.ts";
import { udpEvidenceSeries, verdictSeries } from "./verdict-series.ts";
import { witnessSeries } from "./witness-series.ts";

/** The versions that the series name. */
interface Info {
  readonly collectorVersion: string;
  readonly catalogueVersion: string;
  readonly deployment: string;
}

/** At `nowMs`, the collector's wall time; family by family, in chunks of text. */
export function* fleetSeries(
  fleet: Fleet,
  witnesses: Pick<WitnessReceiver, "counts">,
  { collectorVersion, catalogueVersion, deployment }: Info,
  nowMs: number,
): Generator<string> {
  yield info("lifeline_build_info", "The collector's version.", { version: collectorVersion });
  const catalogue = { version: catalogueVersion, deployment };
  yield info("lifeline_catalogue_info", "The catalogue and the deployment that nodes are judged against.", catalogue);
  const nodes = [...fleet.nodes.values()];
  yield* nodeSeries(nodes, nowMs);
  yield* verdictSeries(nodes);
  yield* udpEvidenceSeries(nodes);
  yield* witnessSeries(witnesses.counts());
  yield* probeSeries(nodes);
}

function info(name: string, help: string, labels: Readonly<Record<string, string>>): string {
  return `${head(name, "gauge", help)}${name}{${labelsText(labels)}} 1\n`;
}
