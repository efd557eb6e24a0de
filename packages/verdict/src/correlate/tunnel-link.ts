/** The interface of a tunnel in which no probe is answered. */
import type { Cause } from "@lifeline/measure";
import { type Entry, isAnswering, isAt } from "../entry.ts";
import { nextStepFor } from "../next-step.ts";
import { timeOfDay } from "../phrase.ts";
import type { PreviousVerdict } from "../row.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { type DeadTunnel, deadTunnelOf } from "./dead-tunnel.ts";
import { machineApiState } from "./machine-api-state.ts";
import { endpointsOf } from "./siderolink-endpoint.ts";

/**
 * Holds verdict and cause of the interface for one outage. Packets of Omni's own, which come through a tunnel whose
 * forward path is blocked, neither end its fault nor begin another one. The recovery adds no cause.
 */
export function withTunnelLink(
  entry: Entry,
  entries: readonly Entry[],
  { previous, isGrpcTunnel }: CorrelationContext,
): Entry {
  if (!isAt(entry, "tunnel-link")) return entry;
  const was = previous?.get(entry.target.id);
  const dead = deadTunnelOf(entries);
  const isFrozen = entry.verdict === "unmet" && entry.own.reason === "link-frozen";
  if (dead === undefined) {
    if (isFrozen) return was?.cause === undefined ? entry : { ...entry, cause: heldCause(was) };
    return isOver(entry, entries) ? receiving(entry) : entry;
  }
  const cause = causeOf(entries, dead, isGrpcTunnel);
  if (isFrozen) return { ...entry, cause };
  const isOfOutage = was?.verdict === "unmet" && (was.onsetMs ?? 0) >= (dead.workedAtMs ?? dead.sinceMs);
  if (!isOfOutage) return entry;
  const evidence = `${entry.evidence} What it receives are packets that Omni sends by itself: no probe through the tunnel is answered.`;
  const nextStep = nextStepFor("link-frozen", entry.target);
  return { ...entry, verdict: "unmet", cause, onsetMs: was.onsetMs ?? entry.onsetMs, evidence, nextStep };
}

/** Whether the interface was silent at times in an outage that is over: probes through the tunnel are answered. */
function isOver({ verdict, own }: Entry, entries: readonly Entry[]): boolean {
  const wasFrozen = verdict === "degraded" && own.reason === "link-frozen";
  const answering = entries.filter((other) => isAt(other, "in-tunnel") && isAnswering(other));
  return wasFrozen && own.lookback.last?.run.outcomeClass === "good" && answering.length > 0;
}

/** The interface receives. How well the tunnel works is judged by the probes through it. */
function receiving(entry: Entry): Entry {
  const onsetMs = entry.own.lookback.last?.run.startedAtMs ?? entry.onsetMs;
  const evidence = `${entry.evidence} It receives since ${timeOfDay(onsetMs)}, and probes through the tunnel are answered.`;
  return { ...entry, verdict: "met", cause: "none", onsetMs, evidence, nextStep: "" };
}

/** The cause that a fault had so far. */
function heldCause({ verdict, cause }: PreviousVerdict): Cause {
  return verdict === "unmet" && cause !== undefined ? cause : "timeout";
}

/** The cause of the fault that the interface shows: of the Machine API or the port, else of silence. */
function causeOf(entries: readonly Entry[], dead: DeadTunnel, isGrpcTunnel: boolean): Cause {
  const outer = machineApiState(entries, dead, isGrpcTunnel);
  if (outer.kind === "explains") return outer.root.cause;
  const port = endpointsOf(entries).find(({ verdict, onsetMs }) => verdict === "unmet" && onsetMs === dead.sinceMs);
  return port?.cause ?? (outer.kind === "unknown" || isGrpcTunnel ? "timeout" : "udp-blocked");
}
