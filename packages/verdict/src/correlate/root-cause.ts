/** The fault that causes another. */
import { type Cause, type Reason, recordTypeOf, targetPlace } from "@lifeline/measure";
import { CLOCK_UNMET_MS } from "../check-verdict.ts";
import { type Entry, isAt, isFailing } from "../entry.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { deadTunnelOf, isNodeEndFault, workedAtMs } from "./dead-tunnel.ts";
import { isFamilyCause } from "./family-path.ts";
import { isMachineApi, LAYER, machineApiState } from "./machine-api-state.ts";
import { isDnsCause } from "./missing-address.ts";
import { isNameFault } from "./name-fault.ts";
import { beganBefore, stateSinceMs } from "./onset.ts";
import { timeRoot } from "./time-proof.ts";

/** A symptom names the fault that causes it, and what to fix first. A cause began before its symptom (J3). */
export function withRootCause(entry: Entry, entries: readonly Entry[], context: CorrelationContext): Entry {
  if (isFamilyCause(entry.cause)) return entry;
  if (entry.cause === "clock" && isFailing(entry)) return withClockRoot(entry, context);
  const isSilentPort = isAt(entry, "siderolink") && entry.cause === "no-evidence";
  if (!isFailing(entry) && !isSilentPort) return entry;
  const root = isFailing(entry) ? rootOf(entry, entries, context) : silentPortRoot(entries, context);
  if (root === undefined) return entry;
  const { target, requirement, cause, verdict } = root;
  const name = `${target.options.probe} to ${targetPlace(target)} (${requirement.id})`;
  const evidence = `${entry.evidence} It follows from ${name}, which is ${verdict}: ${cause}.`;
  return { ...entry, evidence, nextStep: `First fix ${name}. ${root.nextStep}`, followsFrom: target.id };
}

function withClockRoot(entry: Entry, { clockRowId, node: { clockOffsetMs } }: CorrelationContext): Entry {
  if (Math.abs(clockOffsetMs ?? 0) < CLOCK_UNMET_MS) return entry;
  return { ...entry, followsFrom: clockRowId };
}

function rootOf(entry: Entry, entries: readonly Entry[], context: CorrelationContext): Entry | undefined {
  const failing = entries.filter(
    (other) =>
      isFailing(other) && !other.comparison && beganBefore(other, symptomSinceMs(entry), entry.target.timeoutMs),
  );
  const resolver = failing.find((other) => isResolverOf(other, entry) && !hasResolvedMeanwhile(other, entry, entries));
  if (resolver !== undefined) return resolver;
  const below = failing
    .filter((other) => isBelow(other, entry))
    .sort((a, b) => LAYER[a.target.options.probe] - LAYER[b.target.options.probe])[0];
  if (below !== undefined) return below;
  // The certificates of a handshake fill whole packets. A path that drops these stops it after the connection is made.
  const narrow = entry.own.reason === "handshake-timeout" && failing.find(({ cause }) => cause === "path-mtu");
  const root = narrow || timeRoot(entry, failing) || hungRoot(entry, failing);
  return root || tunnelRoot(entry, entries, failing, context);
}

/**
 * When what fails now began, ms since the epoch. Losses of a target in the tunnel may be of several outages, of which
 * the earlier are over: then it is what was lost last.
 */
function symptomSinceMs(entry: Entry): number {
  const sinceMs = stateSinceMs(entry);
  const run = entry.own.lookback.lastBad?.run;
  if (!isAt(entry, "in-tunnel") || entry.verdict !== "degraded" || run?.outcomeClass !== "bad") return sinceMs;
  return Math.max(sinceMs, run.stateStartedAtMs);
}

/**
 * Whether `other` is a resolver whose fault explains that the name of `entry` was not resolved. Its query is for the
 * same records, or over TCP, which carries every type. A resolver that answers that a name does not exist, or has no
 * address, works.
 */
function isResolverOf(resolver: Entry, entry: Entry): boolean {
  const { options } = resolver.target;
  const isUnanswered = isDnsCause(entry.cause) && entry.cause !== "dns-nxdomain" && entry.cause !== "dns-nodata";
  if (!isUnanswered || entry.target.options.probe === "dns" || options.probe !== "dns") return false;
  if (isNameFault(resolver)) return false;
  return options.transport === "tcp" || options.type === recordTypeOf(entry.target.family);
}

/**
 * Whether another name was looked up while the resolver failed over UDP, over which names are looked up: the node has
 * another resolver that works, so this one explains nothing, nor does its TCP port. A name that was looked up after the
 * resolver last failed may have been answered by it.
 */
function hasResolvedMeanwhile(resolver: Entry, entry: Entry, entries: readonly Entry[]): boolean {
  const dead = entries.find((other) => isSameEndpoint(other, resolver) && other.verdict === "unmet" && isByUdp(other));
  const { host, family } = entry.target;
  return entries.some(
    ({ target, own: { resolvedAtMs } }) =>
      target.host !== host &&
      target.family === family &&
      dead !== undefined &&
      resolvedAtMs !== undefined &&
      resolvedAtMs >= dead.onsetMs &&
      resolvedAtMs <= (dead.own.seen?.endedAtMs ?? dead.onsetMs),
  );
}

function isByUdp({ target: { options } }: Entry): boolean {
  return options.probe === "dns" && options.transport === "udp";
}

/** The API of a server that hangs follows from its Machine API, which the tunnel follows from too. */
function hungRoot(entry: Entry, failing: readonly Entry[]): Entry | undefined {
  if (entry.cause !== "server-unresponsive" || isMachineApi(entry)) return undefined;
  return failing
    .filter((other) => other.cause === "server-unresponsive" && isMachineApi(other))
    .sort((a, b) => LAYER[a.target.options.probe] - LAYER[b.target.options.probe])[0];
}

/** The cause of a fault of SideroLink: the node's end of the tunnel, the Machine API, then the port. */
function tunnelRoot(
  entry: Entry,
  entries: readonly Entry[],
  failing: readonly Entry[],
  context: CorrelationContext,
): Entry | undefined {
  if (isAt(entry, "siderolink")) return portRoot(entry, entries, failing, context);
  if (!isAt(entry, "in-tunnel") && !isAt(entry, "tunnel-link")) return undefined;
  if (entry.cause === "path-mtu") return failing.find(({ target }) => target.options.probe === "mtu");
  const absent = entries.find(isNodeEndFault);
  if (absent !== undefined) return joinRoot(absent, entries, context) ?? (absent === entry ? undefined : absent);
  const port = failing.find((other) => isAt(other, "siderolink") && other.target.options.probe === "udp");
  return machineApiRoot(entries, context) ?? port ?? failing.find((other) => isAt(other, "siderolink"));
}

/** Why a node has no tunnel: a fault of the Machine API, where it joins. */
function joinRoot(absent: Entry, entries: readonly Entry[], { isGrpcTunnel }: CorrelationContext): Entry | undefined {
  if (absent.cause !== "not-joined") return undefined;
  const dead = { sinceMs: absent.onsetMs, workedAtMs: workedAtMs(entries), isReceiving: false };
  const outer = machineApiState(entries, dead, isGrpcTunnel);
  return outer.kind === "explains" ? outer.root : undefined;
}

/** What a path that is slow or loses packets can do to an exchange. */
const SLOW_REASONS: readonly Reason[] = ["timeout", "late", "syn-lost", "handshake-timeout", "proxy-unreachable"];

/** Causes at a STAMP target that say no more than the row of the port. */
const PORT_CAUSES: readonly Cause[] = ["timeout", "refused", "wrong-endpoint", "filtered", "unreachable"];

/** The cause of a STAMP fault at an advertised endpoint: the port there; for large packets also the small ones. */
function portRoot(
  entry: Entry,
  entries: readonly Entry[],
  failing: readonly Entry[],
  context: CorrelationContext,
): Entry | undefined {
  const { probe } = entry.target.options;
  if (probe === "udp" || !PORT_CAUSES.includes(entry.cause)) return undefined;
  const there = failing.filter((other) => isAt(other, "siderolink") && isSameEndpoint(other, entry));
  const port = there.find(({ target }) => target.options.probe === "udp");
  const small = probe === "mtu" ? there.find(({ target }) => target.options.probe === "stamp") : undefined;
  return machineApiRoot(entries, context) ?? port ?? small;
}

/** The lowest fault of the Machine API, where it is that of a dead tunnel too. */
function machineApiRoot(entries: readonly Entry[], { isGrpcTunnel }: CorrelationContext): Entry | undefined {
  const dead = deadTunnelOf(entries);
  const outer = dead && machineApiState(entries, dead, isGrpcTunnel);
  return outer?.kind === "explains" ? outer.root : undefined;
}

/** Why nothing is known of a silent port: the fault of the Machine API, or the node has no tunnel. */
function silentPortRoot(entries: readonly Entry[], context: CorrelationContext): Entry | undefined {
  return machineApiRoot(entries, context) ?? entries.find(isNodeEndFault);
}

function isSameEndpoint({ target: a }: Entry, { target: b }: Entry): boolean {
  return a.host === b.host && a.port === b.port && a.family === b.family;
}

/** A slow or lossy path explains only that nothing came back in time; a fault at some addresses none at others. */
function explains({ cause, own: below }: Entry, { own }: Entry): boolean {
  if (cause === "latency" || cause === "loss") return SLOW_REASONS.includes(own.reason);
  if (below.basis !== "some-addresses") return true;
  const dead = below.addresses?.failing.map(({ address }) => address) ?? [];
  const failing = own.addresses?.failing ?? [];
  return failing.length > 0 && failing.every(({ address }) => dead.includes(address));
}

function isBelow(other: Entry, entry: Entry): boolean {
  const { options, proxy } = entry.target;
  return (
    isSameEndpoint(other, entry) &&
    explains(other, entry) &&
    (other.target.proxy === undefined) === (proxy === undefined) &&
    LAYER[other.target.options.probe] > 0 &&
    LAYER[other.target.options.probe] < LAYER[options.probe]
  );
}
