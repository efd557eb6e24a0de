/** The fault that causes another. */
import { type Cause, type ProbeKind, recordTypeOf, targetPlace } from "@lifeline/measure";
import { CLOCK_UNMET_MS } from "../check-verdict.ts";
import { type Entry, isAt, isFailing } from "../entry.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { isDnsCause } from "./missing-address.ts";
import { timeRoot } from "./time-proof.ts";
import { deadSinceMs } from "./tunnel-fault.ts";

/** Layer of each probe: a lower one that fails at the same endpoint explains a higher one. 0: no such order. */
const LAYER: Readonly<Record<ProbeKind, number>> = {
  dns: 0,
  udp: 0,
  stamp: 0,
  link: 0,
  mtu: 0,
  ntp: 0,
  tcp: 1,
  tls: 2,
  nts: 3,
  http: 3,
  grpc: 3,
};

/** A symptom names the fault that causes it, and what to fix first. */
export function withRootCause(entry: Entry, entries: readonly Entry[], context: CorrelationContext): Entry {
  if (entry.cause === "clock" && isFailing(entry)) return withClockRoot(entry, context);
  const isSilentPort = isAt(entry, "siderolink") && entry.cause === "no-evidence";
  if (!isFailing(entry) && !isSilentPort) return entry;
  const root = isFailing(entry) ? rootOf(entry, entries) : machineApiRoot(entries);
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

function rootOf(entry: Entry, entries: readonly Entry[]): Entry | undefined {
  const failing = entries.filter((other) => isFailing(other) && !other.comparison);
  const resolver = failing.find((other) => isResolverOf(other, entry));
  if (resolver !== undefined) return resolver;
  const below = failing
    .filter((other) => isBelow(other, entry))
    .sort((a, b) => LAYER[a.target.options.probe] - LAYER[b.target.options.probe])[0];
  if (below !== undefined) return below;
  // The certificates of a handshake fill whole packets. A path that drops these stops it after the connection is made.
  const narrow = entry.own.reason === "handshake-timeout" && failing.find(({ cause }) => cause === "path-mtu");
  return narrow || timeRoot(entry, failing) || tunnelRoot(entry, entries, failing);
}

/**
 * Whether `other` is a resolver whose fault explains that the name of `entry` was not resolved. Its query is for the
 * same records, or over TCP, which carries every type. A resolver that answers that a name does not exist, or has no
 * address, works.
 */
function isResolverOf({ target: { options } }: Entry, entry: Entry): boolean {
  const isUnanswered = isDnsCause(entry.cause) && entry.cause !== "dns-nxdomain" && entry.cause !== "dns-nodata";
  if (!isUnanswered || entry.target.options.probe === "dns" || options.probe !== "dns") return false;
  return options.transport === "tcp" || options.type === recordTypeOf(entry.target.family);
}

/** The cause of a fault of SideroLink: the Machine API, then the node's end of the tunnel, then the port. */
function tunnelRoot(entry: Entry, entries: readonly Entry[], failing: readonly Entry[]): Entry | undefined {
  const inside = isAt(entry, "in-tunnel");
  const link = isAt(entry, "tunnel-link");
  const port = failing.find((other) => isAt(other, "siderolink") && other.target.options.probe === "udp");
  if (isAt(entry, "siderolink")) return portRoot(entry, entries, failing);
  if (!inside && !link) return undefined;
  if (entry.cause === "path-mtu") return failing.find(({ target }) => target.options.probe === "mtu");
  if (entry.cause === "ipv6-disabled") return undefined;
  const outer = entry.cause === "not-joined" ? failing.find(isMachineApi) : machineApiRoot(entries);
  const absent = failing.find(isNodeEndFault);
  if (outer !== undefined) return outer;
  if (inside && absent !== undefined) return absent;
  return port ?? failing.find((other) => isAt(other, "siderolink"));
}

/** Causes at a STAMP target that say no more than the row of the port. */
const PORT_CAUSES: readonly Cause[] = ["timeout", "refused", "wrong-endpoint", "filtered", "unreachable"];

/** The cause of a STAMP fault at an advertised endpoint: the port there; for large packets also the small ones. */
function portRoot(entry: Entry, entries: readonly Entry[], failing: readonly Entry[]): Entry | undefined {
  const { probe } = entry.target.options;
  if (probe === "udp" || !PORT_CAUSES.includes(entry.cause)) return undefined;
  const there = failing.filter((other) => isAt(other, "siderolink") && isSameEndpoint(other, entry));
  const port = there.find(({ target }) => target.options.probe === "udp");
  const small = probe === "mtu" ? there.find(({ target }) => target.options.probe === "stamp") : undefined;
  return machineApiRoot(entries) ?? port ?? small;
}

/** The lowest fault of the Machine API, while the tunnel is dead too. */
function machineApiRoot(entries: readonly Entry[]): Entry | undefined {
  if (deadSinceMs(entries) === undefined) return undefined;
  return entries
    .filter((other) => isFailing(other) && isMachineApi(other) && !other.comparison)
    .sort((a, b) => LAYER[a.target.options.probe] - LAYER[b.target.options.probe])[0];
}

function isMachineApi(entry: Entry): boolean {
  return isAt(entry, "machine-api");
}

function isNodeEndFault({ cause }: Entry): boolean {
  return cause === "not-joined" || cause === "ipv6-disabled";
}

function isSameEndpoint({ target: a }: Entry, { target: b }: Entry): boolean {
  return a.host === b.host && a.port === b.port && a.family === b.family;
}

function isBelow(other: Entry, entry: Entry): boolean {
  const { options, proxy } = entry.target;
  return (
    isSameEndpoint(other, entry) &&
    (other.target.proxy === undefined) === (proxy === undefined) &&
    LAYER[other.target.options.probe] > 0 &&
    LAYER[other.target.options.probe] < LAYER[options.probe]
  );
}
