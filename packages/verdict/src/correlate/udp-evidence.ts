/** Evidence about the SideroLink UDP port. */
import { outcomeClassOf } from "@lifeline/measure";
import { type Entry, hasAnsweredSince, isAnswering, isAt } from "../entry.ts";
import type { UdpEvidence } from "../row.ts";
import type { TargetVerdict } from "../target-verdict.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { type DeadTunnel, deadTunnelOf, IN_FLIGHT_MS } from "./dead-tunnel.ts";
import { endpointsOf, isObserved } from "./siderolink-endpoint.ts";

/** A target whose answers confirm the port. */
interface Confirmation {
  readonly by: string;
  readonly entry: Entry;
}

/** Settles UDP silence by an answer over the same path. */
export function withConfirmation(entry: Entry, entries: readonly Entry[], context: CorrelationContext): Entry {
  const { target, own } = entry;
  if (target.options.probe !== "udp" || target.options.expectRefusal) return entry;
  if (own.basis !== "silent" && own.basis !== "failed") return entry;
  const confirmation = confirmationsOf(entry, entries, context).find((one) => isSince(one.entry, own.seen));
  if (confirmation === undefined) return entry;
  const { verdict, cause, onsetMs, nextStep } = confirmation.entry;
  const evidence = `Confirmed by ${confirmation.by}. ${confirmation.entry.evidence}`;
  return { ...entry, verdict, cause, onsetMs, evidence, nextStep };
}

/** Adds the evidence class to targets of the SideroLink port. */
export function withUdpEvidence(entry: Entry, entries: readonly Entry[], context: CorrelationContext): Entry {
  if (!isAt(entry, "siderolink")) return entry;
  return { ...entry, udpEvidence: udpEvidenceOf(entry, entries, context) };
}

const BLOCKED = new Set(["udp-blocked", "forward-path-blocked", "return-path-blocked"]);
const ICMP_CAUSES = new Set(["wrong-endpoint", "refused", "filtered", "unreachable"]);

function udpEvidenceOf(entry: Entry, entries: readonly Entry[], context: CorrelationContext): UdpEvidence {
  const { own } = entry;
  // A standby endpoint was tried, and is silent. Of a family that the name lacks there is nothing to know.
  if (entry.verdict === "not-applicable" && own.basis !== "silent") return "not-applicable";
  const port = entries.find((other) => other.target.options.probe === "udp" && isSameEndpoint(other, entry));
  if (port !== undefined && BLOCKED.has(port.cause)) return "suspected-blocked";
  if (entry.verdict === "unmet" && own.basis === "failed" && ICMP_CAUSES.has(entry.cause)) return "refused";
  return confirmationsOf(entry, entries, context).length === 0 ? "no-evidence" : "confirmed";
}

/**
 * Whether answers came after the refusal and so end it. Silence cannot end a refusal, because ICMP errors are rate
 * limited.
 */
function isSince({ onsetMs }: Entry, seen: TargetVerdict["seen"]): boolean {
  return seen === undefined || outcomeClassOf(seen.reason) !== "bad" || onsetMs >= seen.endedAtMs;
}

/** STAMP that answers from the same endpoint; while the tunnel is dead, only if it has answered since. */
export function stampConfirmation(
  entry: Entry,
  entries: readonly Entry[],
  dead: DeadTunnel | undefined,
): Confirmation | undefined {
  const found = entries.find(
    (other) =>
      other.target.options.probe === "stamp" &&
      isSameEndpoint(other, entry) &&
      isAnswering(other) &&
      (dead === undefined || hasAnsweredSince(other, dead.sinceMs + IN_FLIGHT_MS)),
  );
  return found && { by: "STAMP replies from this same endpoint", entry: found };
}

function isSameEndpoint({ target: other, requirement: of }: Entry, { target, requirement }: Entry): boolean {
  return (
    of.id === requirement.id &&
    other.host === target.host &&
    other.port === target.port &&
    other.family === target.family
  );
}

/**
 * Every confirmation of the port, STAMP from the same endpoint first. A tunnel in which no probe is answered confirms
 * nothing, whatever its slower targets and its interface showed before.
 */
function confirmationsOf(
  entry: Entry,
  entries: readonly Entry[],
  context: CorrelationContext,
): readonly Confirmation[] {
  const dead = deadTunnelOf(entries);
  const stamp = stampConfirmation(entry, entries, dead);
  const by = tunnelPhrase(entry, entries, context.node.observedEndpoint);
  const tunnel =
    by === undefined || dead !== undefined ? [] : tunnelAnswers(entries).map((inside) => ({ by, entry: inside }));
  return stamp === undefined ? tunnel : [stamp, ...tunnel];
}

/**
 * What answers through the tunnel: met before degraded, then the longest one, so that the order of targets never
 * matters.
 */
export function tunnelAnswers(entries: readonly Entry[]): readonly Entry[] {
  const rank = ({ verdict }: Entry) => (verdict === "met" ? 0 : 1);
  return entries
    .filter((other) => (isAt(other, "in-tunnel") || isAt(other, "tunnel-link")) && isAnswering(other))
    .sort((a, b) => rank(a) - rank(b) || a.onsetMs - b.onsetMs || (a.target.id < b.target.id ? -1 : 1));
}

/** Whether the endpoint refuses, so that no tunnel runs over it. */
function isRefused({ verdict, own }: Entry): boolean {
  return verdict === "unmet" && own.basis === "failed";
}

/** How an answer through the tunnel confirms the port; undefined: the tunnel may run over another endpoint. */
function tunnelPhrase(
  entry: Entry,
  entries: readonly Entry[],
  observedEndpoint: string | undefined,
): string | undefined {
  if (!isAt(entry, "siderolink")) return undefined;
  if (observedEndpoint === undefined) {
    const endpoints = endpointsOf(entries);
    const isOnly = endpoints.every((other) => other.target.id === entry.target.id || isRefused(other));
    return isOnly ? "answers through the tunnel, which has no other endpoint to run over" : undefined;
  }
  const isUsed = isObserved(entry, observedEndpoint);
  return isUsed ? "answers through the tunnel, which runs over this endpoint" : undefined;
}
