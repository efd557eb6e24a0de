/** A collector that gives the agent its plan, over mutual TLS: the shipped program, with the bench's rows. */
import { CollectorFixture, loopbackCatalogue } from "@lifeline/harness";
import type { Workshop } from "../workshop.ts";
import type { StandIn } from "./stand-ins.ts";

/** What an agent needs to report to it. */
export interface PlanCollector {
  readonly collector: string;
  readonly enrol: { readonly caFingerprint: string; readonly tokenFile: string };
}

/** Ends the collector when the bench is killed (setpriv of util-linux, PR_SET_PDEATHSIG). */
const LAUNCHER = ["setpriv", "--pdeathsig", "KILL"];

/**
 * Starts a collector whose rows are `standIns`, each by TCP and TLS once in `cadenceMs`. Rejects with a HarnessError
 * `not-started`.
 */
export async function startPlanCollector(
  workshop: Workshop,
  standIns: readonly StandIn[],
  cadenceMs: number,
): Promise<PlanCollector> {
  const probes = [
    { probe: "tcp", acceptReset: false, cadenceMs },
    { probe: "tls", trust: "public", alpn: ["h2", "http/1.1"], alpnRequired: false, cadenceMs },
  ];
  const rows = standIns.map(({ requirementId, host, port }, at) => {
    return { id: `${requirementId}-${at}`, host, port, cadenceMs, probes };
  });
  const options = { catalogue: loopbackCatalogue("bench", rows), launcher: LAUNCHER };
  const collector = new CollectorFixture(await workshop.folder(), workshop.clock, options);
  workshop.onClose(() => collector.kill());
  await collector.start();
  return { collector: collector.address, enrol: await collector.enrol() };
}
