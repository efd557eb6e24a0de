/** What the judge is told beside windows: the node's clock, its witnesses, its doubles, and what the fleet sees. */
import type { InterceptionSigns } from "@lifeline/catalogue";
import { judgementContextOf } from "@lifeline/verdict";
import { type Node, nodeNowMs } from "../fleet/fleet.ts";
import type { Witnesses } from "../fleet/witness.ts";
import { type FleetIssuers, ISSUER_FRESH_MS, type SeenIssuer } from "./fleet-issuer.ts";
import type { Knowledge } from "./judging.ts";

/** What is asked. */
export interface KnowledgeParts {
  readonly witnesses: Pick<Witnesses, "viewOf">;
  readonly issuers: Pick<FleetIssuers, "of" | "saw">;
  readonly interception: InterceptionSigns;
}

/** The knowledge of a node at a moment of the collector's clock. */
export function createKnowledge({ witnesses, issuers, interception }: KnowledgeParts): Knowledge {
  return (node, nowMs) => {
    issuers.saw(node.nodeId, issuersOf(node, nowMs));
    const witness = witnesses.viewOf(node);
    const duplicate = node.boots.duplicate(nowMs);
    const { clockOffsetMs, observedEndpoint } = node;
    const behindMs = nowMs - nodeNowMs(node, nowMs);
    return judgementContextOf(interception, {
      clockOffsetMs,
      witness,
      duplicate: duplicate && { ...duplicate, sinceMs: duplicate.sinceMs - behindMs },
      observedEndpoint,
      fleetIssuer: issuers.of,
    });
  };
}

/** The issuers that the node's latest windows show, as far as they are fresh. */
function issuersOf(node: Node, nowMs: number): ReadonlyMap<string, SeenIssuer> {
  const behindMs = nowMs - nodeNowMs(node, nowMs);
  const seen = new Map<string, SeenIssuer>();
  for (const { id, options } of node.plan.targets) {
    if (options.probe !== "tls") continue;
    const window = node.recent.of(id).findLast(({ last }) => last?.evidence.chain !== undefined);
    const issuer = window?.last?.evidence.chain?.[0]?.issuer;
    const atMs = (window?.endMs ?? 0) + behindMs;
    if (issuer !== undefined && Math.abs(atMs - nowMs) <= ISSUER_FRESH_MS) seen.set(id, { issuer, atMs });
  }
  return seen;
}
