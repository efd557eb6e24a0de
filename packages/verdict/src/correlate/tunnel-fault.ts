/**
 * What stops a dead tunnel.
 *
 * 1. A refusal at the endpoint is proof, even while the tunnel works.
 * 2. While the Machine API has failed since then too, that is the fault, and the UDP port stays unknown.
 * 3. A witness shows the direction that is blocked. So do Omni's own packets, which arrive while no probe is answered:
 *    then the forward path is blocked. Otherwise UDP is only suspected.
 * 4. What was found out about an outage holds until it ends: until a target in the tunnel has recovered.
 */
import { type Cause, endpointName } from "@lifeline/measure";
import { type Entry, isAnswering, isAt, isFailing } from "../entry.ts";
import type { WitnessView } from "../node-context.ts";
import { timeOfDay } from "../phrase.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { type DeadTunnel, deadTunnelOf, IN_FLIGHT_MS, isNodeEndFault } from "./dead-tunnel.ts";
import { type MachineApiState, machineApiState } from "./machine-api-state.ts";
import { endpointsOf, isObserved } from "./siderolink-endpoint.ts";
import { isLost } from "./tunnel-probe.ts";
import { stampConfirmation } from "./udp-evidence.ts";

/** How long a witness's report is fresh, ms: five reports, at one a second. */
const WITNESS_FRESH_MS = 5_000;
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
/**
 * How long an outage may go on once datagrams arrive again, ms: three tries of WireGuard's handshake (REKEY_TIMEOUT is
 * 5 s). After that something else keeps the tunnel dead.
 */
const RECOVERY_MS = 15_000;

/** Names what stops the tunnel, at the endpoint that the tunnel uses. */
export function withTunnelFault(entry: Entry, entries: readonly Entry[], context: CorrelationContext): Entry {
  const endpoints = endpointsOf(entries);
  if (!endpoints.includes(entry)) return entry;
  if (isFailing(entry) && entry.own.basis === "failed") return refusedAt(entry);
  const dead = deadTunnelOf(entries);
  if (dead === undefined) return whileClearing(entry, entries, context);
  if (isRefusedLately(entry, dead, context.nowMs)) return entry;
  const outer = machineApiState(entries, dead, context.isGrpcTunnel);
  const known = knownCause(entry, dead, context);
  if (outer.kind === "explains" || (outer.kind === "unknown" && known === undefined)) return entry;
  if (!isInUse(entry, endpoints, entries, dead, context)) return entry;
  const found = faultOf(entry, entries, dead, known, context);
  if (found === undefined) return entry;
  const evidence = `${situation(outer, dead)} ${found.evidence} ${entry.evidence}`;
  return { ...entry, ...found, verdict: "unmet", onsetMs: dead.sinceMs, evidence };
}

/**
 * The entry of a port whose outage clears: probes begin to be answered, and no target in the tunnel has recovered yet.
 * The fault lasts until one has, as theirs does, and keeps its cause.
 */
function whileClearing(entry: Entry, entries: readonly Entry[], { previous }: CorrelationContext): Entry {
  const was = previous?.get(entry.target.id);
  if (was?.verdict !== "unmet" || was.cause === undefined || !TUNNEL_CAUSES.has(was.cause)) return entry;
  const inside = entries.filter((other) => isAt(other, "in-tunnel"));
  const isStillLost = inside.some((other) => other.verdict === "unmet" && isLost(other));
  if (!isStillLost || inside.some(isAnswering) || entries.some(isNodeEndFault)) return entry;
  const where = endpointName(entry.target.host, entry.target.port);
  const { onsetMs = entry.onsetMs, cause } = was;
  const evidence = `The outage since ${timeOfDay(onsetMs)} ends: probes through the tunnel begin to be answered. ${entry.evidence}`;
  return { ...entry, verdict: "unmet", cause, onsetMs, evidence, nextStep: stepOf(cause, where) };
}

function stepOf(cause: Cause, where: string): string {
  if (cause === "forward-path-blocked") return forwardBlocked(where, "").nextStep;
  if (cause === "return-path-blocked") return returnBlocked(where, undefined).nextStep;
  return (cause === "tunnel-stale" ? stale(where, undefined) : suspected(where)).nextStep;
}

function situation(outer: MachineApiState, { sinceMs, workedAtMs = sinceMs }: DeadTunnel): string {
  const silent = `o probe through the tunnel has been answered since ${timeOfDay(sinceMs)}.`;
  if (outer.kind === "answers") return `The Machine API answers, and n${silent}`;
  if (outer.kind !== "unrelated") return `N${silent}`;
  const apiMs = outer.root.onsetMs;
  const why = apiMs > sinceMs ? "the tunnel died before" : `the tunnel worked until ${timeOfDay(workedAtMs)}`;
  return `N${silent} The Machine API fails since ${timeOfDay(apiMs)}, which is not the cause: ${why}.`;
}

/** The causes that this rule finds. */
const TUNNEL_CAUSES: ReadonlySet<Cause> = new Set([
  "udp-blocked",
  "forward-path-blocked",
  "return-path-blocked",
  "tunnel-stale",
]);

/** The cause that was found in this outage before; undefined: none, or the tunnel worked since. */
function knownCause(
  { target }: Entry,
  { sinceMs, workedAtMs }: DeadTunnel,
  { previous }: CorrelationContext,
): Cause | undefined {
  const was = previous?.get(target.id);
  if (was?.verdict !== "unmet" || was.cause === undefined || was.onsetMs === undefined) return undefined;
  const isSame = was.onsetMs === sinceMs || (workedAtMs !== undefined && was.onsetMs >= workedAtMs);
  return isSame && TUNNEL_CAUSES.has(was.cause) ? was.cause : undefined;
}

function refusedAt(entry: Entry): Entry {
  if (entry.own.reason !== "refused") return entry;
  const where = endpointName(entry.target.host, entry.target.port);
  const evidence = `Something refuses at the advertised SideroLink endpoint ${where}. ${entry.evidence}`;
  const nextStep = `Omni owner: correct the advertised SideroLink address and port (${where}), or start Omni there; network team: look for a firewall that rejects.`;
  return { ...entry, cause: "wrong-endpoint", evidence, nextStep };
}

/** Whether the port refused in this outage until a moment ago: the tunnel recovers, and nothing else is at fault. */
function isRefusedLately({ own: { lookback } }: Entry, { sinceMs }: DeadTunnel, nowMs: number): boolean {
  const { lastBad } = lookback;
  if (lastBad?.run.outcomeClass !== "bad") return false;
  return lastBad.endedAtMs >= sinceMs && nowMs - lastBad.endedAtMs < RECOVERY_MS;
}

/**
 * Whether the tunnel uses the endpoint: the observed one; else those where STAMP does not answer, or all if STAMP
 * answers at all.
 */
function isInUse(
  entry: Entry,
  endpoints: readonly Entry[],
  entries: readonly Entry[],
  dead: DeadTunnel,
  { node: { observedEndpoint } }: CorrelationContext,
): boolean {
  const observed = endpoints.filter((one) => observedEndpoint !== undefined && isObserved(one, observedEndpoint));
  if (observed.length > 0) return observed.includes(entry);
  const unanswered = endpoints.filter((one) => stampConfirmation(one, entries, dead) === undefined);
  return unanswered.length === 0 || unanswered.includes(entry);
}

type Fault = Pick<Entry, "cause" | "evidence" | "nextStep">;

function faultOf(
  entry: Entry,
  entries: readonly Entry[],
  dead: DeadTunnel,
  known: Cause | undefined,
  { node: { witness }, nowMs }: CorrelationContext,
): Fault | undefined {
  const where = endpointName(entry.target.host, entry.target.port);
  const reception = receptionOf(witness, dead.sinceMs, nowMs);
  // Once the datagrams arrive again, the answers are on their way: the outage ends, and keeps its cause.
  const isOver = reception === "received" && isReceivedSince(witness, dead.sinceMs, nowMs - RECOVERY_MS);
  const isForward = known === "forward-path-blocked" && !isOver;
  const stamp = stampConfirmation(entry, entries, dead)?.entry;
  if (stamp !== undefined) {
    if (reception === "not-received")
      return oneFlowBlocked(where, `the witness receives no WireGuard${natPhrase(entry, witness)}`);
    if (reception === undefined && dead.isReceiving) return oneFlowBlocked(where, OWN_PACKETS);
    return isForward ? forwardWas(where, stamp, dead) : stale(where, reception);
  }
  // Both directions pass, so Omni's host drops what comes out of the tunnel: no fault of the port.
  if (reception === "received" && dead.isReceiving) return undefined;
  if (reception === "received" && !isForward) return returnBlocked(where, witness);
  if (reception === "not-received") return forwardBlocked(where, `${receivedPhrase(witness)}.`);
  if (known === "return-path-blocked") return returnBlocked(where, undefined);
  if (dead.isReceiving) return forwardBlocked(where, `${OWN_PACKETS}.${dead.workedAtMs === undefined ? OR_HOST : ""}`);
  // What a witness or Omni's packets showed of this outage stays true when they stop.
  if (isForward) return forwardBlocked(where, `${SHOWN_EARLIER}.`);
  return suspected(where);
}

const SHOWN_EARLIER = "that showed earlier in this outage";
const OWN_PACKETS =
  "packets that Omni sends by itself come through the tunnel, and nothing that this node sends is answered, not even by a port-unreachable";
const OR_HOST = " The tunnel was never seen to work here, so Omni's host may also drop what comes out of it.";

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

/** Whether the witness receives without a pause since a time of this outage before `byMs`. */
function isReceivedSince(witness: WitnessView | undefined, onsetMs: number, byMs: number): boolean {
  return Math.max(witness?.receivingSinceMs ?? Infinity, onsetMs) < byMs;
}

function receivedPhrase(witness: WitnessView | undefined): string {
  if (witness?.receivedAtMs === undefined) return SHOWN_EARLIER;
  return `the witness beside Omni last received from ${witness.address} at ${timeOfDay(witness.receivedAtMs)}`;
}

function returnBlocked(where: string, witness: WitnessView | undefined): Fault {
  return {
    cause: "return-path-blocked",
    evidence: `This node's datagrams arrive at Omni, and the answers do not come back: ${receivedPhrase(witness)}.`,
    nextStep: `Network team: allow UDP answers from ${where} back to this node; look for a stateful firewall or NAT that drops the state of the flow.`,
  };
}

function forwardBlocked(where: string, shownBy: string): Fault {
  return {
    cause: "forward-path-blocked",
    evidence: `This node's datagrams do not arrive at Omni: ${shownBy}`,
    nextStep: `Network team: allow UDP from this node to ${where}; the datagrams vanish before Omni.`,
  };
}

/** The path was blocked for everything, or for one flow, where STAMP had answered before. */
function forwardWas(where: string, stamp: Entry, { sinceMs }: DeadTunnel): Fault {
  if (stamp.onsetMs < sinceMs) return oneFlowBlocked(where, SHOWN_EARLIER);
  return forwardBlocked(where, `${SHOWN_EARLIER}.`);
}

/** Such as `, and a NAT is between (10.0.0.7 arrives as 192.0.2.1)`; empty where none shows. */
function natPhrase({ own }: Entry, witness: WitnessView | undefined): string {
  const localAddress = own.lookback.last?.evidence.localAddress;
  if (witness === undefined || localAddress === undefined || witness.address === localAddress) return "";
  return `, and a NAT is between (${localAddress} arrives as ${witness.address})`;
}

/** Other flows pass in both directions, and WireGuard's does not arrive. */
function oneFlowBlocked(where: string, shownBy: string): Fault {
  return {
    cause: "forward-path-blocked",
    evidence: `STAMP reaches the same port from another source port and comes back, but ${shownBy}: a filter that inspects the payload drops WireGuard only, or a NAT or firewall drops this one flow.`,
    nextStep: `Network team: clear the state of the flow from this node to UDP ${where} in NATs and firewalls, and exempt it from payload inspection that drops WireGuard; Omni owner: or use the gRPC tunnel.`,
  };
}

function stale(where: string, reception: "received" | "not-received" | undefined): Fault {
  const open = "STAMP reaches the same port from another source port and comes back, so the path is open";
  if (reception === "received") {
    return {
      cause: "tunnel-stale",
      evidence: `${open} and the WireGuard session is dead. The witness beside Omni receives this node's datagrams, so it is no NAT on the way there.`,
      nextStep: `Omni owner: check whether Omni at ${where} restarted or lost this peer; node owner: reboot the node if the tunnel does not come back within five minutes.`,
    };
  }
  return {
    cause: "tunnel-stale",
    evidence: `${open}, and only the flow of WireGuard is dead: a NAT or firewall has lost the mapping of this one flow, or Omni has lost this peer.`,
    nextStep: `Network team: clear the state of the flow from this node to UDP ${where} in NATs and firewalls; node owner: a reboot opens a new flow; Omni owner: if that does not help, check whether Omni has lost this peer.`,
  };
}

function suspected(where: string): Fault {
  return {
    cause: "udp-blocked",
    evidence: "UDP is suspected to be blocked; no witness beside Omni shows the direction.",
    nextStep: `Network team: allow UDP from this node to ${where} and its answers back; Omni owner: or use the gRPC tunnel (grpc_tunnel=true).`,
  };
}
