/** What is known of the SideroLink UDP port? */
import { outcomeClassOf } from "@lifeline/measure";
import { type Entry, isAnswering, isAt } from "../entry.ts";
import type { Finding } from "../finding.ts";
import { bounded } from "../phrase.ts";
import type { UdpEvidence } from "../row.ts";
import type { Circumstances } from "./circumstances.ts";
import { endpointsOf, isObserved } from "./endpoint.ts";

interface Witness {
  readonly by: string;
  readonly entry: Entry;
}

/** UDP silence that an answer over the same path settles. */
export function withConfirmation(entry: Entry, entries: readonly Entry[], circumstances: Circumstances): Entry {
  const { target, finding } = entry;
  if (target.options.probe !== "udp" || target.options.expectRefusal) return entry;
  if (finding.ground !== "silent" && finding.ground !== "failed") return entry;
  const witness = stampWitness(entry, entries) ?? tunnelWitness(entry, entries, circumstances);
  if (witness === undefined || !isSince(witness.entry, finding.seen)) return entry;
  const { verdict, cause, onsetMs, nextStep } = witness.entry;
  const evidence = bounded(`Confirmed by ${witness.by}. ${witness.entry.evidence}`);
  return { ...entry, verdict, cause, onsetMs, evidence, nextStep };
}

/** The evidence class of a target of the SideroLink port. */
export function withUdpEvidence(entry: Entry, entries: readonly Entry[], circumstances: Circumstances): Entry {
  if (!isAt(entry, "siderolink")) return entry;
  return { ...entry, udpEvidence: udpEvidenceOf(entry, entries, circumstances) };
}

const BLOCKED = new Set(["udp-blocked", "forward-path-blocked", "return-path-blocked"]);
const ICMP_CAUSES = new Set(["wrong-endpoint", "refused", "filtered", "unreachable"]);

function udpEvidenceOf(entry: Entry, entries: readonly Entry[], circumstances: Circumstances): UdpEvidence {
  if (entry.verdict === "not-applicable") return "not-applicable";
  const { finding } = entry;
  const port = entries.find((other) => other.target.options.probe === "udp" && isSameEndpoint(other, entry));
  if (BLOCKED.has(entry.cause) || (port !== undefined && BLOCKED.has(port.cause))) return "suspected-blocked";
  if (entry.verdict === "unmet" && finding.ground === "failed" && ICMP_CAUSES.has(entry.cause)) return "refused";
  const confirmed = stampWitness(entry, entries) ?? tunnelWitness(entry, entries, circumstances);
  return confirmed === undefined ? "no-evidence" : "confirmed";
}

/**
 * Whether a witness speaks of the time after a refusal. Silence cannot end a refusal by itself, for ICMP errors are rate limited;
 * answers from the same place since then do.
 */
function isSince({ onsetMs }: Entry, seen: Finding["seen"]): boolean {
  return seen === undefined || outcomeClassOf(seen.reason) !== "bad" || onsetMs >= seen.endedAtMs;
}

/** STAMP that answers from this very endpoint. */
export function stampWitness(entry: Entry, entries: readonly Entry[]): Witness | undefined {
  const found = entries.find(
    (other) => other.target.options.probe === "stamp" && isSameEndpoint(other, entry) && isAnswering(other),
  );
  return found && { by: "STAMP replies from this very endpoint", entry: found };
}

function isSameEndpoint({ target: other, requirement: of }: Entry, { target, requirement }: Entry): boolean {
  return (
    of.id === requirement.id &&
    other.host === target.host &&
    other.port === target.port &&
    other.family === target.family
  );
}

function tunnelWitness(entry: Entry, entries: readonly Entry[], { context }: Circumstances): Witness | undefined {
  if (!isAt(entry, "siderolink")) return undefined;
  const inside = entries.find(
    (other) => (isAt(other, "in-tunnel") || isAt(other, "tunnel-link")) && isAnswering(other),
  );
  if (inside === undefined) return undefined;
  const { observedEndpoint } = context;
  if (observedEndpoint !== undefined) {
    if (!isObserved(entry, observedEndpoint)) return undefined;
    return { by: "answers through the tunnel, which runs over this endpoint", entry: inside };
  }
  if (endpointsOf(entries).length !== 1) return undefined;
  return { by: "answers through the tunnel, which has no other endpoint to run over", entry: inside };
}
