/**
 * What the targets of a node say of one another.
 *
 * 1. A name without an address of one family is no fault while it has one of the other.
 * 2. UDP silence is confirmed only by an answer over the same path: a STAMP reply from the same endpoint, or a reply through
 *    the tunnel that runs over the only WireGuard endpoint there is. Otherwise it stays an open question (M4).
 * 3. A symptom names the fault it follows from; it keeps its own verdict.
 */
import { bearingOf, type Cause, endpointName, type ProbeKind, reasonFacts } from "@lifeline/measure";
import { type Entry, isAt, isFailing } from "./entry.ts";
import type { Finding } from "./finding.ts";
import { nextStepFor, UNCONFIRMED_STEP } from "./next-step.ts";
import { bounded } from "./phrase.ts";
import type { Thresholds } from "./thresholds.ts";

/** The entries as their neighbours let them stand. */
export function crossExamine(entries: readonly Entry[], thresholds: Thresholds): readonly Entry[] {
  const named = entries.map((entry) => withName(entry, entries, thresholds));
  const confirmed = named.map((entry) => withUdpEvidence(entry, named));
  return confirmed.map((entry) => withRoot(entry, confirmed));
}

function withName(entry: Entry, entries: readonly Entry[], { proofRunLength }: Thresholds): Entry {
  const { finding, target } = entry;
  if (finding.ground !== "name-has-no-address") return entry;
  const siblings = entries.filter(({ target: other }) => other.host === target.host && other.family !== target.family);
  if (siblings.some(hasResolved)) {
    const evidence = `The name ${target.host} has no IPv${target.family} address; it is measured over IPv${target.family === 4 ? 6 : 4}.`;
    return { ...entry, verdict: "not-applicable", cause: "none", evidence, nextStep: "" };
  }
  const neither = siblings.every(({ finding: other }) => other.ground === "name-has-no-address");
  if (neither && (finding.stretch.counts.get("dns-nodata") ?? 0) >= proofRunLength) {
    const lacking =
      siblings.length > 0
        ? "neither an IPv4 nor an IPv6 address"
        : `no IPv${target.family} address, the only family measured`;
    const evidence = bounded(`The name ${target.host} has ${lacking}. ${entry.evidence}`);
    return { ...entry, verdict: "unmet", evidence, nextStep: nextStepFor("dns-nodata", target) };
  }
  return { ...entry, nextStep: UNCONFIRMED_STEP };
}

/** Whether the stretch holds an attempt that got past the resolver. */
function hasResolved({ finding }: Entry): boolean {
  return [...finding.stretch.counts.keys()].some((reason) => {
    const { cause, blame } = reasonFacts(reason);
    return !isDnsCause(cause) && blame !== "agent";
  });
}

function isDnsCause(cause: Cause): boolean {
  return cause.startsWith("dns-");
}

function withUdpEvidence(entry: Entry, entries: readonly Entry[]): Entry {
  const { target, finding } = entry;
  if (target.options.probe !== "udp" || (finding.ground !== "silent" && finding.ground !== "failed")) return entry;
  const witness = stampWitness(entry, entries) ?? tunnelWitness(entry, entries);
  if (witness === undefined || !isSince(witness.entry, finding.seen)) return entry;
  const { verdict, cause, onsetMs, nextStep } = witness.entry;
  const evidence = bounded(`Confirmed by ${witness.by}. ${witness.entry.evidence}`);
  return { ...entry, verdict, cause, onsetMs, evidence, nextStep };
}

/**
 * Whether a witness speaks of the time after a refusal. Silence cannot end a refusal by itself, for ICMP errors are rate limited;
 * answers from the same place since then do.
 */
function isSince({ onsetMs }: Entry, seen: Finding["seen"]): boolean {
  return seen === undefined || bearingOf(seen.reason) !== "bad" || onsetMs >= seen.endedAtMs;
}

interface Witness {
  readonly by: string;
  readonly entry: Entry;
}

function stampWitness({ target, requirement }: Entry, entries: readonly Entry[]): Witness | undefined {
  const entry = entries.find(
    (other) =>
      other.target.options.probe === "stamp" &&
      other.requirement.id === requirement.id &&
      other.target.host === target.host &&
      other.target.port === target.port &&
      other.target.family === target.family &&
      isAnswering(other),
  );
  return entry && { by: "STAMP replies from this very endpoint", entry };
}

function tunnelWitness(entry: Entry, entries: readonly Entry[]): Witness | undefined {
  if (!isAt(entry, "siderolink")) return undefined;
  const endpoints = entries.filter((other) => isAt(other, "siderolink") && other.target.options.probe === "udp");
  const inside = entries.find((other) => isAt(other, "in-tunnel") && isAnswering(other));
  if (endpoints.length !== 1 || inside === undefined) return undefined;
  return { by: "answers through the tunnel, which has no other endpoint to run over", entry: inside };
}

function isAnswering({ verdict }: Entry): boolean {
  return verdict === "met" || verdict === "degraded";
}

/** What a probe stands on: a lower one that fails at the same endpoint explains the higher. */
const LAYER: Readonly<Record<ProbeKind, number>> = {
  dns: 0,
  udp: 0,
  stamp: 0,
  link: 0,
  mtu: 0,
  tcp: 1,
  tls: 2,
  http: 3,
  grpc: 3,
};

function withRoot(entry: Entry, entries: readonly Entry[]): Entry {
  if (!isFailing(entry)) return entry;
  const root = rootOf(entry, entries);
  if (root === undefined) return entry;
  const { target, requirement, cause, verdict } = root;
  const name = `${target.options.probe} to ${endpointName(target.host, target.port)} (${requirement.id})`;
  const evidence = bounded(`${entry.evidence} It follows from ${name} being ${verdict}: ${cause}.`);
  return { ...entry, evidence, nextStep: `First mend ${name}. ${root.nextStep}`, followsFrom: target.id };
}

function rootOf(entry: Entry, entries: readonly Entry[]): Entry | undefined {
  const failing = entries.filter((other) => other !== entry && isFailing(other));
  if (isDnsCause(entry.cause) && entry.target.options.probe !== "dns") {
    return failing.find(({ target }) => target.options.probe === "dns");
  }
  const below = failing
    .filter((other) => isBelow(other, entry))
    .sort((a, b) => LAYER[a.target.options.probe] - LAYER[b.target.options.probe])[0];
  if (below !== undefined || !isAt(entry, "in-tunnel")) return below;
  return failing.find((other) => isAt(other, "siderolink"));
}

function isBelow(other: Entry, entry: Entry): boolean {
  const { host, port, family, options } = entry.target;
  return (
    other.target.host === host &&
    other.target.port === port &&
    other.target.family === family &&
    LAYER[other.target.options.probe] > 0 &&
    LAYER[other.target.options.probe] < LAYER[options.probe]
  );
}
