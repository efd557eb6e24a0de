/** What the judge must know of the deployment and of the node besides the rows. */
import type { NodeFacts } from "./condition.ts";
import type { Deployment } from "./deployment.ts";
import { type Endpoint, endpointText } from "./endpoint.ts";
import type { InspectionCa } from "./inspection-ca.ts";
import { observedMachineApi } from "./place.ts";

/** Facts of one node in one deployment. */
export interface SiteFacts {
  /** The CAs by which the site inspects TLS on purpose. */
  readonly inspectionCas: readonly Pick<InspectionCa, "sha256" | "subject">[];
  /** The certificate of an own endpoint is reported when it ends within this, ms. 0: never. */
  readonly certificateEndsSoonMs: number;
  /** Absent: the node was given the Machine API that the deployment names, or one of the two is not known. */
  readonly otherOmni?: OtherOmni;
  /** The next hops of the node's default routes; empty: not known. */
  readonly gateways: readonly string[];
}

/** Two Machine APIs, each as host:port. */
export interface OtherOmni {
  /** In the node's siderolink.api kernel argument. */
  readonly given: string;
  /** In the deployment. */
  readonly named: string;
}

const MS_PER_DAY = 86_400_000;

/** The facts of one node. */
export function siteFactsOf(deployment: Deployment, facts: NodeFacts): SiteFacts {
  const otherOmni = otherOmniOf(observedMachineApi(facts), deployment.omni.machineApi);
  return {
    inspectionCas: deployment.egress.tlsInspection.map(({ sha256, subject }) => ({ sha256, subject })),
    certificateEndsSoonMs: deployment.certificates.endsSoonDays * MS_PER_DAY,
    gateways: facts.gateways ?? [],
    ...(otherOmni === undefined ? {} : { otherOmni }),
  };
}

function otherOmniOf(given: Endpoint | undefined, named: Endpoint | undefined): OtherOmni | undefined {
  if (given === undefined || named === undefined) return undefined;
  const [a, b] = [endpointText(given), endpointText(named)];
  return a === b ? undefined : { given: a, named: b };
}
