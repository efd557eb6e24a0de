/** Advertised endpoints that the tunnel does not use. */
import { endpointName } from "@lifeline/measure";
import type { Entry } from "../entry.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { deadTunnelOf } from "./dead-tunnel.ts";
import { endpointsOf, isObserved } from "./siderolink-endpoint.ts";
import { tunnelAnswers } from "./udp-evidence.ts";

/**
 * While the tunnel works, it needs one endpoint. The others are standby: nothing proves that they are open, and nothing
 * depends on it. Where nothing shows which endpoint is in use, that holds for each of them. A reflector at the endpoint
 * proves it or fails.
 */
export function withStandby(entry: Entry, entries: readonly Entry[], { node }: CorrelationContext): Entry {
  const endpoints = endpointsOf(entries);
  if (endpoints.length < 2 || !endpoints.includes(entry)) return entry;
  if (entry.verdict !== "unknown" || entry.cause !== "no-evidence") return entry;
  if (entries.some((other) => isReflectorAt(other, entry))) return entry;
  if (deadTunnelOf(entries) !== undefined || tunnelAnswers(entries).length === 0) return entry;
  const { observedEndpoint } = node;
  const used = endpoints.find((one) => observedEndpoint !== undefined && isObserved(one, observedEndpoint));
  const why =
    used === undefined
      ? `the tunnel works over one of the ${endpoints.length} advertised endpoints, and nothing shows which.`
      : `the tunnel works, and runs over ${endpointName(used.target.host, used.target.port)}.`;
  const evidence = `Standby, not proven: ${why} ${entry.evidence}`;
  return { ...entry, verdict: "not-applicable", cause: "none", evidence, nextStep: "" };
}

function isReflectorAt({ target: other }: Entry, { target }: Entry): boolean {
  const isSame = other.host === target.host && other.port === target.port && other.family === target.family;
  return isSame && other.options.probe === "stamp";
}
