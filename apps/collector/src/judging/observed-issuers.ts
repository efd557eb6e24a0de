/** Which issuers a node's latest windows name. */
import { type Node, nodeNowMs } from "../fleet/node.ts";
import { ISSUER_FRESH_MS, type ObservedIssuer } from "./fleet-issuer.ts";

/** By target id, as far as they are fresh at `nowMs` by the collector's clock. */
export function observedIssuers(node: Node, nowMs: number): ReadonlyMap<string, ObservedIssuer> {
  const behindMs = nowMs - nodeNowMs(node, nowMs);
  const observed = new Map<string, ObservedIssuer>();
  for (const { id, options } of node.plan.targets) {
    if (options.probe !== "tls") continue;
    const window = node.recent.of(id).findLast(({ last }) => last?.evidence.chain !== undefined);
    const issuer = window?.last?.evidence.chain?.[0]?.issuer;
    const atMs = (window?.endMs ?? 0) + behindMs;
    if (issuer !== undefined && Math.abs(atMs - nowMs) <= ISSUER_FRESH_MS) observed.set(id, { issuer, atMs });
  }
  return observed;
}
