/**
 * The tunnel is dead: what stops it?
 *
 * 1. A refusal at the endpoint is proof, and needs no tunnel to be dead.
 * 2. While the Machine API fails too, that is the fault, and nothing is guessed of the UDP port.
 * 3. Who hears whom tells the directions apart; without a witness, UDP is only suspected.
 */
import { endpointName } from "@lifeline/measure";
import { type Entry, hasAnsweredSince, isAnswering, isAt, isFailing } from "../entry.ts";
import type { WitnessView } from "../node-context.ts";
import { bounded, timeOfDay } from "../phrase.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { payloadBytesOf } from "./path-mtu.ts";
import { endpointsOf, isObserved } from "./siderolink-endpoint.ts";
import { stampWitness } from "./udp-evidence.ts";

/** A witness reports once a second; five missed reports say nothing of now, ms. */
const WITNESS_FRESH_MS = 5_000;
/** A datagram that left before the onset arrives by then, ms. */
const IN_FLIGHT_MS = 1_000;
/** Hearing later than this after the onset is no straggler, ms. */
const HEARD_MARGIN_MS = 2_000;
/** How shortly before the onset a node must have been heard, ms: its keepalive of 25 s and a margin. */
const KNOWN_MS = 30_000;
/** Within a live session the stimuli leave about once a second: three seconds of reception nothing are three of them, ms. */
const SILENCE_MS = 3_000;

/** Names what stops the tunnel at the endpoint that it runs over. */
export function withTunnelFault(entry: Entry, entries: readonly Entry[], context: CorrelationContext): Entry {
  const endpoints = endpointsOf(entries);
  if (!endpoints.includes(entry)) return entry;
  if (isFailing(entry) && entry.own.basis === "failed") return refusedAt(entry);
  const onsetMs = deadSinceMs(entries);
  if (onsetMs === undefined) return entry;
  const outer = entries.filter((other) => isAt(other, "machine-api") && !other.comparison);
  if (outer.some(isFailing) || !outer.some(isAnswering)) return entry;
  if (!isInUse(entry, endpoints, entries, context)) return entry;
  const found = stopOf(entry, entries, onsetMs, context);
  const evidence = `The Machine API answers, and nothing has come back through the tunnel since ${timeOfDay(onsetMs)}. ${found.evidence} ${entry.evidence}`;
  return { ...entry, ...found, verdict: "unmet", onsetMs, evidence: bounded(evidence) };
}

function refusedAt(entry: Entry): Entry {
  if (entry.own.reason !== "refused") return entry;
  const where = endpointName(entry.target.host, entry.target.port);
  const evidence = bounded(`Something refuses at the advertised SideroLink endpoint ${where}. ${entry.evidence}`);
  const nextStep = `Omni owner: correct the advertised SideroLink address and port (${where}), or start Omni there; network team: look for a firewall that rejects.`;
  return { ...entry, cause: "wrong-endpoint", evidence, nextStep };
}

/** Since when nothing comes back through the tunnel, ms since the epoch; undefined: something does, or nothing tells. */
export function deadSinceMs(entries: readonly Entry[]): number | undefined {
  const signs = entries.filter(isDeathSign);
  if (signs.length === 0) return undefined;
  const onsetMs = Math.min(...signs.map((sign) => sign.onsetMs));
  const latestMs = Math.max(...signs.map((sign) => sign.onsetMs));
  const inside = entries.filter((entry) => isAt(entry, "in-tunnel"));
  return inside.some((entry) => hasAnsweredSince(entry, latestMs + IN_FLIGHT_MS)) ? undefined : onsetMs;
}

/** A large datagram lost may be the path's MTU; all else that is lost inside the tunnel, or a frozen interface, is a sign. */
function isDeathSign(entry: Entry): boolean {
  if (entry.verdict !== "unmet") return false;
  if (isAt(entry, "tunnel-link")) return entry.own.reason === "link-frozen";
  const isSmall = entry.target.options.probe === "tcp" || (payloadBytesOf(entry.target) ?? Infinity) < LARGE_BYTES;
  return isAt(entry, "in-tunnel") && isSmall && entry.own.reason === "timeout";
}

/** A payload that an IPv6 link's least MTU (1,280) carries inside a WireGuard packet on any path: 1,280 − 80 − 48 bytes of headers. */
const LARGE_BYTES = 1_152;

/** Of several endpoints: the observed one; else those that STAMP does not speak for, or all where it speaks for all. */
function isInUse(
  entry: Entry,
  endpoints: readonly Entry[],
  entries: readonly Entry[],
  { node: { observedEndpoint } }: CorrelationContext,
): boolean {
  const observed = endpoints.filter((one) => observedEndpoint !== undefined && isObserved(one, observedEndpoint));
  if (observed.length > 0) return observed.includes(entry);
  const unspoken = endpoints.filter((one) => stampWitness(one, entries) === undefined);
  return unspoken.length === 0 || unspoken.includes(entry);
}

type Stop = Pick<Entry, "cause" | "evidence" | "nextStep">;

function stopOf(entry: Entry, entries: readonly Entry[], onsetMs: number, context: CorrelationContext): Stop {
  const { node, nowMs, previous } = context;
  const where = endpointName(entry.target.host, entry.target.port);
  const heard = receptionOf(node.witness, onsetMs, nowMs);
  if (stampWitness(entry, entries) !== undefined)
    return heard === "not-received" ? inspected(where) : stale(where, heard);
  if (heard === "received") return returnBlocked(where, node.witness);
  if (heard === "not-received") return forwardBlocked(where, node.witness);
  const was = previous?.get(entry.target.id);
  // A witness that falls silent itself takes nothing back of what it has said of this outage.
  if (was?.onsetMs === onsetMs && was.cause === "return-path-blocked") return returnBlocked(where, undefined);
  if (was?.onsetMs === onsetMs && was.cause === "forward-path-blocked") return forwardBlocked(where, undefined);
  return suspected(where);
}

/** What the witness says of the forward direction since the onset; undefined: nothing yet, or nothing fresh. */
export function receptionOf(
  witness: WitnessView | undefined,
  onsetMs: number,
  nowMs: number,
): "received" | "not-received" | undefined {
  if (witness === undefined || nowMs - witness.reportedAtMs > WITNESS_FRESH_MS) return undefined;
  const { receivedAtMs, watchingSinceMs, reportedAtMs } = witness;
  if (receivedAtMs !== undefined && receivedAtMs > onsetMs + HEARD_MARGIN_MS) return "received";
  // Whom it did not hear until then it may not hear at all, as behind a NAT whose address nobody knows.
  const isKnown = receivedAtMs !== undefined && receivedAtMs >= onsetMs - KNOWN_MS;
  const stopped = isKnown && receivedAtMs <= onsetMs + IN_FLIGHT_MS;
  const watched = watchingSinceMs <= onsetMs && reportedAtMs >= onsetMs + SILENCE_MS;
  return stopped && watched ? "not-received" : undefined;
}

function heardPhrase(witness: WitnessView | undefined): string {
  if (witness === undefined) return "as the witness beside Omni said of this outage";
  const { address, receivedAtMs } = witness;
  return receivedAtMs === undefined
    ? `the witness beside Omni has heard nothing from ${address}`
    : `the witness beside Omni last heard ${address} at ${timeOfDay(receivedAtMs)}`;
}

function returnBlocked(where: string, witness: WitnessView | undefined): Stop {
  return {
    cause: "return-path-blocked",
    evidence: `This node's datagrams arrive at Omni, and the answers do not come back: ${heardPhrase(witness)}.`,
    nextStep: `Network team: allow UDP answers from ${where} back to this node; look for a stateful firewall or NAT that forgets the flow.`,
  };
}

function forwardBlocked(where: string, witness: WitnessView | undefined): Stop {
  return {
    cause: "forward-path-blocked",
    evidence: `This node's datagrams do not arrive at Omni: ${heardPhrase(witness)}.`,
    nextStep: `Network team: allow UDP from this node to ${where}; the datagrams vanish before Omni.`,
  };
}

function inspected(where: string): Stop {
  return {
    cause: "forward-path-blocked",
    evidence:
      "STAMP passes to the very port and back, but the witness hears no WireGuard: only WireGuard datagrams vanish, as by a filter that inspects the payload.",
    nextStep: `Network team: exempt UDP to ${where} from payload inspection that drops WireGuard; Omni owner: else use the gRPC tunnel.`,
  };
}

function stale(where: string, heard: "received" | "not-received" | undefined): Stop {
  const hears = heard === "received" ? " The witness beside Omni hears this node." : "";
  return {
    cause: "tunnel-stale",
    evidence: `The port itself answers STAMP both ways, so the path is open and the WireGuard session is not.${hears}`,
    nextStep: `Omni owner: see whether Omni at ${where} has restarted or lost this peer; node owner: reboot the node if the tunnel does not come back within five minutes.`,
  };
}

function suspected(where: string): Stop {
  return {
    cause: "udp-blocked",
    evidence: "UDP is suspected to be blocked; nothing beside Omni tells in which direction.",
    nextStep: `Network team: allow UDP from this node to ${where} and its answers back; Omni owner: else use the gRPC tunnel (grpc_tunnel=true).`,
  };
}
