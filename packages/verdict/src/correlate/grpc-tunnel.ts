/** A tunnel that is carried over the Machine API, and whose stream stalls. */
import { endpointName } from "@lifeline/measure";
import type { Entry } from "../entry.ts";
import { timeOfDay } from "../phrase.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { type DeadTunnel, deadTunnelOf, workedAtMs } from "./dead-tunnel.ts";
import { isMachineApi, machineApiState } from "./machine-api-state.ts";

/** Blames the stream where the tunnel is dead and the Machine API answers new calls. No UDP port is involved. */
export function withGrpcTunnel(
  entry: Entry,
  entries: readonly Entry[],
  { isGrpcTunnel, previous }: CorrelationContext,
): Entry {
  if (!isGrpcTunnel || streamOf(entries) !== entry) return entry;
  const dead = deadTunnelOf(entries);
  const was = previous?.get(entry.target.id);
  if (dead === undefined) return was?.cause === "grpc-tunnel-stalled" ? recovered(entry, entries) : entry;
  const { kind } = machineApiState(entries, dead, isGrpcTunnel);
  const isKnown = was?.cause === "grpc-tunnel-stalled" && was.onsetMs === dead.sinceMs;
  return kind === "answers" || (kind === "unknown" && isKnown) ? stalled(entry, dead) : entry;
}

/** The target whose connections are like the stream's: the first by its id, so that the order never matters. */
function streamOf(entries: readonly Entry[]): Entry | undefined {
  const calls = entries.filter((entry) => isMachineApi(entry) && entry.target.options.probe === "grpc");
  return calls.sort((a, b) => (a.target.id < b.target.id ? -1 : 1))[0];
}

/** The entry of a stream that carries again: it has worked since the tunnel answers, not since calls are answered. */
function recovered(entry: Entry, entries: readonly Entry[]): Entry {
  if (entry.verdict !== "met") return entry;
  return { ...entry, onsetMs: Math.max(entry.onsetMs, workedAtMs(entries) ?? 0) };
}

function stalled(entry: Entry, { sinceMs }: DeadTunnel): Entry {
  const where = endpointName(entry.target.host, entry.target.port);
  const evidence = `The tunnel is carried by a gRPC stream on ${where} (WireGuardOverGRPC). ${where} answers new calls, and no probe through the tunnel has been answered since ${timeOfDay(sinceMs)}: the stream stalls. ${entry.evidence}`;
  const nextStep = `Omni owner: let the reverse proxy in front of ${where} pass long-lived gRPC streams in both directions, without buffering and without an idle timeout; network team: look for a firewall, NAT or proxy that drops long TCP connections without a reset.`;
  return { ...entry, verdict: "unmet", cause: "grpc-tunnel-stalled", onsetMs: sinceMs, evidence, nextStep };
}
