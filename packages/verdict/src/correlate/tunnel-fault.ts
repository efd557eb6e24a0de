/**
 * What stops a dead tunnel.
 *
 * 1. A refusal at the endpoint is proof, even while the tunnel works.
 * 2. While the Machine API fails too, that is the fault, and the UDP port stays unknown.
 * 3. A witness shows the direction that is blocked. Without one, UDP is only suspected.
 */
import { endpointName } from "@lifeline/measure";
import { type Entry, hasAnsweredSince, isAnswering, isAt, isFailing } from "../entry.ts";
import type { WitnessView } from "../node-context.ts";
import { timeOfDay } from "../phrase.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { payloadBytesOf } from "./path-mtu.ts";
import { endpointsOf, isObserved } from "./siderolink-endpoint.ts";
import { stampConfirmation } from "./udp-evidence.ts";

/** How long a witness's report is fresh, ms: five reports, at one a second. */
const WITNESS_FRESH_MS = 5_000;
/** How long a datagram may take to arrive, ms: one that left before the onset arrives by then. */
const IN_FLIGHT_MS = 1_000;
/** A datagram that arrives later than this after the onset left after it, ms: twice IN_FLIGHT_MS. */
const STRAGGLER_MS = 2_000;
/**
 * The witness knows a node whose datagram arrived at most this long before the onset, ms: its keepalive of 25 s and a
 * margin.
 */
const KNOWN_MS = 30_000;
/**
 * How long the witness must receive nothing, ms: a live session sends about one datagram a second, so three are
 * missing.
 */
const SILENCE_MS = 3_000;

/** Names what stops the tunnel, at the endpoint that the tunnel uses. */
export function withTunnelFault(entry: Entry, entries: readonly Entry[], context: CorrelationContext): Entry {
  const endpoints = endpointsOf(entries);
  if (!endpoints.includes(entry)) return entry;
  if (isFailing(entry) && entry.own.basis === "failed") return refusedAt(entry);
  const onsetMs = deadSinceMs(entries);
  if (onsetMs === undefined) return entry;
  const outer = entries.filter((other) => isAt(other, "machine-api") && !other.comparison);
  if (outer.some(isFailing) || !outer.some(isAnswering)) return entry;
  if (!isInUse(entry, endpoints, entries, context)) return entry;
  const found = faultOf(entry, entries, onsetMs, context);
  const evidence = `The Machine API answers, and nothing has come back through the tunnel since ${timeOfDay(onsetMs)}. ${found.evidence} ${entry.evidence}`;
  return { ...entry, ...found, verdict: "unmet", onsetMs, evidence: evidence };
}

function refusedAt(entry: Entry): Entry {
  if (entry.own.reason !== "refused") return entry;
  const where = endpointName(entry.target.host, entry.target.port);
  const evidence = `Something refuses at the advertised SideroLink endpoint ${where}. ${entry.evidence}`;
  const nextStep = `Omni owner: correct the advertised SideroLink address and port (${where}), or start Omni there; network team: look for a firewall that rejects.`;
  return { ...entry, cause: "wrong-endpoint", evidence, nextStep };
}

/**
 * Since when nothing comes back through the tunnel, ms since the epoch. Undefined: something does, or there is no
 * evidence.
 */
export function deadSinceMs(entries: readonly Entry[]): number | undefined {
  const signs = entries.filter(isDeathSign);
  if (signs.length === 0) return undefined;
  const onsetMs = Math.min(...signs.map((sign) => sign.onsetMs));
  const latestMs = Math.max(...signs.map((sign) => sign.onsetMs));
  const inside = entries.filter((entry) => isAt(entry, "in-tunnel"));
  return inside.some((entry) => hasAnsweredSince(entry, latestMs + IN_FLIGHT_MS)) ? undefined : onsetMs;
}

/**
 * Loss inside the tunnel or a frozen interface is a sign. The loss of large datagrams is none: it may be the path MTU.
 */
function isDeathSign(entry: Entry): boolean {
  if (entry.verdict !== "unmet") return false;
  if (isAt(entry, "tunnel-link")) return entry.own.reason === "link-frozen";
  const isSmall = entry.target.options.probe === "tcp" || (payloadBytesOf(entry.target) ?? Infinity) < LARGE_BYTES;
  return isAt(entry, "in-tunnel") && isSmall && entry.own.reason === "timeout";
}

/**
 * A datagram with this payload or more is large, bytes. Smaller ones pass on any path: least IPv6 MTU 1,280 − 80
 * (WireGuard) − 48 (headers).
 */
const LARGE_BYTES = 1_152;

/**
 * Whether the tunnel uses the endpoint: the observed one; else those where STAMP does not answer, or all if STAMP
 * answers at all.
 */
function isInUse(
  entry: Entry,
  endpoints: readonly Entry[],
  entries: readonly Entry[],
  { node: { observedEndpoint } }: CorrelationContext,
): boolean {
  const observed = endpoints.filter((one) => observedEndpoint !== undefined && isObserved(one, observedEndpoint));
  if (observed.length > 0) return observed.includes(entry);
  const unanswered = endpoints.filter((one) => stampConfirmation(one, entries) === undefined);
  return unanswered.length === 0 || unanswered.includes(entry);
}

type Fault = Pick<Entry, "cause" | "evidence" | "nextStep">;

function faultOf(entry: Entry, entries: readonly Entry[], onsetMs: number, context: CorrelationContext): Fault {
  const { node, nowMs, previous } = context;
  const where = endpointName(entry.target.host, entry.target.port);
  const reception = receptionOf(node.witness, onsetMs, nowMs);
  if (stampConfirmation(entry, entries) !== undefined)
    return reception === "not-received" ? inspected(where) : stale(where, reception);
  if (reception === "received") return returnBlocked(where, node.witness);
  if (reception === "not-received") return forwardBlocked(where, node.witness);
  const was = previous?.get(entry.target.id);
  // What a witness reported of this outage stays true when the witness itself falls silent.
  if (was?.onsetMs === onsetMs && was.cause === "return-path-blocked") return returnBlocked(where, undefined);
  if (was?.onsetMs === onsetMs && was.cause === "forward-path-blocked") return forwardBlocked(where, undefined);
  return suspected(where);
}

/**
 * Whether the witness received the node's datagrams since the onset. Undefined: not known yet, or the report is not
 * fresh.
 */
export function receptionOf(
  witness: WitnessView | undefined,
  onsetMs: number,
  nowMs: number,
): "received" | "not-received" | undefined {
  if (witness === undefined || nowMs - witness.reportedAtMs > WITNESS_FRESH_MS) return undefined;
  const { receivedAtMs, watchingSinceMs, reportedAtMs } = witness;
  if (receivedAtMs !== undefined && receivedAtMs > onsetMs + STRAGGLER_MS) return "received";
  // A witness may never receive this node's datagrams under a known address, as behind a NAT.
  const isKnown = receivedAtMs !== undefined && receivedAtMs >= onsetMs - KNOWN_MS;
  const stopped = isKnown && receivedAtMs <= onsetMs + IN_FLIGHT_MS;
  const watched = watchingSinceMs <= onsetMs && reportedAtMs >= onsetMs + SILENCE_MS;
  return stopped && watched ? "not-received" : undefined;
}

function receivedPhrase(witness: WitnessView | undefined): string {
  if (witness?.receivedAtMs === undefined) return "so the witness beside Omni reported earlier in this outage";
  return `the witness beside Omni last received from ${witness.address} at ${timeOfDay(witness.receivedAtMs)}`;
}

function returnBlocked(where: string, witness: WitnessView | undefined): Fault {
  return {
    cause: "return-path-blocked",
    evidence: `This node's datagrams arrive at Omni, and the answers do not come back: ${receivedPhrase(witness)}.`,
    nextStep: `Network team: allow UDP answers from ${where} back to this node; look for a stateful firewall or NAT that drops the state of the flow.`,
  };
}

function forwardBlocked(where: string, witness: WitnessView | undefined): Fault {
  return {
    cause: "forward-path-blocked",
    evidence: `This node's datagrams do not arrive at Omni: ${receivedPhrase(witness)}.`,
    nextStep: `Network team: allow UDP from this node to ${where}; the datagrams vanish before Omni.`,
  };
}

function inspected(where: string): Fault {
  return {
    cause: "forward-path-blocked",
    evidence:
      "STAMP reaches the same port and comes back, but the witness receives no WireGuard: a filter that inspects the payload drops WireGuard only.",
    nextStep: `Network team: exempt UDP to ${where} from payload inspection that drops WireGuard; Omni owner: or use the gRPC tunnel.`,
  };
}

function stale(where: string, reception: "received" | "not-received" | undefined): Fault {
  const received = reception === "received" ? " The witness beside Omni receives this node's datagrams." : "";
  return {
    cause: "tunnel-stale",
    evidence: `STAMP reaches the same port and comes back, so the path is open and the WireGuard session is dead.${received}`,
    nextStep: `Omni owner: check whether Omni at ${where} restarted or lost this peer; node owner: reboot the node if the tunnel does not come back within five minutes.`,
  };
}

function suspected(where: string): Fault {
  return {
    cause: "udp-blocked",
    evidence: "UDP is suspected to be blocked; no witness beside Omni shows the direction.",
    nextStep: `Network team: allow UDP from this node to ${where} and its answers back; Omni owner: or use the gRPC tunnel (grpc_tunnel=true).`,
  };
}
