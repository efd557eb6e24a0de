/** Omni's server accepts connections and does not answer. */
import { endpointName } from "@lifeline/measure";
import { type Entry, hasAnsweredSince, isAt, isFailing } from "../entry.ts";
import { timeOfDay } from "../phrase.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { type DeadTunnel, deadTunnelOf } from "./dead-tunnel.ts";
import { explains, isMachineApi } from "./machine-api-state.ts";
import { endpointsOf } from "./siderolink-endpoint.ts";

/**
 * Names a server that hangs: its kernel completes connections, nothing is exchanged on them, and the tunnel died at the
 * same time without a refusal. Two independent signs, so that the first such attempt is enough.
 */
export function withUnresponsiveServer(
  entry: Entry,
  entries: readonly Entry[],
  { isGrpcTunnel, previous }: CorrelationContext,
): Entry {
  if (!isMachineApi(entry) && (!isAt(entry, "api") || entry.comparison)) return entry;
  const dead = deadTunnelOf(entries);
  // The tunnel recovers first. What the run of failures was found to be holds until it ends.
  if (dead === undefined && isKnown(entry, previous)) return hung(entry, entry.onsetMs);
  if (dead === undefined || endpointsOf(entries).some(isRefused)) return entry;
  const shown = hangOf(entry, entries, dead, isGrpcTunnel);
  if (shown === undefined) return entry;
  const isMachineApiHung = entries.some(
    (other) => isMachineApi(other) && hangOf(other, entries, dead, isGrpcTunnel) !== undefined,
  );
  return isMachineApiHung ? hung(entry, shown.sinceMs) : entry;
}

function isKnown({ target, own, verdict, onsetMs }: Entry, previous: CorrelationContext["previous"]): boolean {
  const was = previous?.get(target.id);
  const isSame = was?.cause === "server-unresponsive" && was.onsetMs === onsetMs;
  return isSame && verdict === "unmet" && own.reason === "handshake-timeout";
}

/** A port that refuses belongs to a kernel without the process: it has ended, and does not hang. */
function isRefused(entry: Entry): boolean {
  return isFailing(entry) && entry.own.basis === "failed";
}

/** Since when the entry's endpoint accepts connections and exchanges nothing; undefined: it does not, or answers. */
function hangOf(
  entry: Entry,
  entries: readonly Entry[],
  dead: DeadTunnel,
  isGrpcTunnel: boolean,
): { readonly sinceMs: number } | undefined {
  const { seen, onsetMs, lookback } = entry.own;
  const { last } = lookback;
  if (last?.reason !== "handshake-timeout") return undefined;
  // The deciding run may have begun before the agent started again.
  const sinceMs = seen?.run.ordinal === last.run.ordinal ? onsetMs : last.run.startedAtMs;
  const below = entries.filter((other) => isConnectOf(other, entry));
  const isAccepted = below.every((other) => hasAnsweredSince(other, sinceMs));
  return isAccepted && explains({ ...entry, onsetMs: sinceMs }, dead, isGrpcTunnel) ? { sinceMs } : undefined;
}

function isConnectOf({ requirement, target: other }: Entry, { requirement: of, target }: Entry): boolean {
  return (
    requirement.id === of.id &&
    other.options.probe === "tcp" &&
    target.proxy === undefined &&
    other.host === target.host &&
    other.port === target.port &&
    other.family === target.family
  );
}

function hung(entry: Entry, sinceMs: number): Entry {
  const where = endpointName(entry.target.host, entry.target.port);
  const evidence = `${where} has accepted connections and answered nothing on them since ${timeOfDay(sinceMs)}, and the tunnel has been silent since then without a refusal: the server hangs. ${entry.evidence}`;
  const nextStep = `Omni owner: restart Omni at ${where}, or what stands in front of it; its process is stopped, out of memory or out of threads, or its host is overloaded.`;
  return { ...entry, verdict: "unmet", cause: "server-unresponsive", onsetMs: sinceMs, evidence, nextStep };
}
