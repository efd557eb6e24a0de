/** The interface of a tunnel in which no probe is answered. */
import type { Cause } from "@lifeline/measure";
import { type Entry, isAt } from "../entry.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { type DeadTunnel, deadTunnelOf } from "./dead-tunnel.ts";
import { machineApiState } from "./machine-api-state.ts";
import { endpointsOf } from "./siderolink-endpoint.ts";

/**
 * Holds the verdict of the interface for one outage: packets of Omni's own, which come through a tunnel whose forward
 * path is blocked, neither end its fault nor begin another one.
 */
export function withTunnelLink(
  entry: Entry,
  entries: readonly Entry[],
  { previous, isGrpcTunnel }: CorrelationContext,
): Entry {
  if (!isAt(entry, "tunnel-link")) return entry;
  const dead = deadTunnelOf(entries);
  if (dead === undefined) return entry;
  const cause = causeOf(entries, dead, isGrpcTunnel);
  if (entry.own.reason === "link-frozen") return { ...entry, cause, nextStep: FOLLOWS };
  const was = previous?.get(entry.target.id);
  const isOfOutage = was?.verdict === "unmet" && (was.onsetMs ?? 0) >= (dead.workedAtMs ?? dead.sinceMs);
  if (!isOfOutage) return entry;
  const evidence = `${entry.evidence} What it receives are packets that Omni sends by itself: no probe through the tunnel is answered.`;
  return { ...entry, verdict: "unmet", cause, onsetMs: was.onsetMs ?? entry.onsetMs, evidence, nextStep: FOLLOWS };
}

/** The cause of the fault that the interface shows: of the Machine API or the port, else of silence. */
function causeOf(entries: readonly Entry[], dead: DeadTunnel, isGrpcTunnel: boolean): Cause {
  const outer = machineApiState(entries, dead, isGrpcTunnel);
  if (outer.kind === "explains") return outer.root.cause;
  const port = endpointsOf(entries).find(({ verdict, onsetMs }) => verdict === "unmet" && onsetMs === dead.sinceMs);
  return port?.cause ?? (outer.kind === "unknown" || isGrpcTunnel ? "timeout" : "udp-blocked");
}

const FOLLOWS = "See the rows of the Machine API and of the SideroLink endpoint: the interface only shows their fault.";
