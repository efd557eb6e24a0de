/** What the rules know besides the entries. */
import type { InterceptionSigns, SiteFacts } from "@lifeline/catalogue";
import type { NodeContext } from "../node-context.ts";
import type { PreviousVerdict } from "../row.ts";
import type { Thresholds } from "../thresholds.ts";

/** Inputs of the judgement that every rule may use. */
export interface CorrelationContext {
  readonly thresholds: Thresholds;
  readonly nowMs: number;
  readonly node: NodeContext;
  readonly interception: InterceptionSigns | undefined;
  /** What the deployment and the node's facts say beside the rows. Undefined: nothing. */
  readonly site: SiteFacts | undefined;
  readonly previous: ReadonlyMap<string, PreviousVerdict> | undefined;
  /** Whether the node's tunnel is carried over the Machine API, so that it needs no UDP port. */
  readonly isGrpcTunnel: boolean;
  /** Id of the requirement that checks the clock. Undefined: the catalogue has none. */
  readonly clockRowId: string | undefined;
}
