/** What the judge is told beside windows: the node's clock, its witnesses, its doubles, and what the fleet sees. */
import type { InterceptionKnowledge } from "@lifeline/catalogue";
import type { NodeContext } from "@lifeline/verdict";
import type { Node } from "./fleet.ts";
import type { FleetIssuers } from "./fleet-issuer.ts";
import type { Knowledge } from "./judging.ts";
import type { Witnesses } from "./witness.ts";

/** What is asked. */
export interface KnowledgeParts {
  readonly witnesses: Pick<Witnesses, "viewOf">;
  readonly issuers: Pick<FleetIssuers, "of" | "saw">;
  readonly interception: InterceptionKnowledge;
}

/** The knowledge of a node at a moment of the collector's clock. */
export function createKnowledge({ witnesses, issuers, interception }: KnowledgeParts): Knowledge {
  return (node, nowMs) => {
    noteIssuers(node, issuers);
    const witness = witnesses.viewOf(node);
    const duplicate = node.boots.duplicate(nowMs);
    const { clockOffsetMs, observedEndpoint } = node;
    const context: NodeContext = {
      ...(clockOffsetMs === undefined ? {} : { clockOffsetMs }),
      ...(witness === undefined ? {} : { witness }),
      ...(duplicate === undefined ? {} : { duplicate }),
      ...(observedEndpoint === undefined ? {} : { observedEndpoint }),
      fleetIssuer: issuers.of,
    };
    return { context, interception };
  };
}

/** The issuers that the node's latest windows show. */
function noteIssuers({ nodeId, recent, plan }: Node, issuers: Pick<FleetIssuers, "saw">): void {
  for (const { id, options } of plan.targets) {
    if (options.probe !== "tls") continue;
    const issuer = recent.of(id).at(-1)?.last?.evidence.chain?.[0]?.issuer;
    if (issuer !== undefined) issuers.saw(nodeId, id, issuer);
  }
}
