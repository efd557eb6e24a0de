/** A name that the node's resolvers do not resolve, while they resolve others. */
import type { Cause } from "@lifeline/measure";
import { type Entry, isFailing } from "../entry.ts";
import { isPublic } from "./missing-name.ts";

/** How a resolver that works fails for one name: its zone, or the way there, does not answer it. */
const NAME_CAUSES: readonly Cause[] = ["dns-servfail", "dns-refused", "dns-timeout", "dns-malformed"];

/** The same, as a DNS target sees it. Its transport is not at fault: the connection was made. */
const QUERY_CAUSES: readonly Cause[] = ["dns-servfail", "dns-refused", "dns-malformed", "timeout"];

/** From this many public names that fail, while none resolves, one fault of the resolvers explains all. */
const NAMES_MIN = 3;

/**
 * The fault is that of the name where the node's resolvers have resolved another name since it began (J3). The row of
 * the resolver is then degraded, and follows from the name; so do the other rows of the name.
 */
export function withNameFault(entry: Entry, entries: readonly Entry[]): Entry {
  return entry.target.options.probe === "dns" ? withQueriedName(entry, entries) : withOwnName(entry, entries);
}

/** Whether the DNS target fails only because of the name that it queries. */
export function isNameFault({ target, verdict, own, cause }: Entry): boolean {
  return (
    target.options.probe === "dns" && verdict === "degraded" && own.verdict === "unmet" && cause !== "dns-one-family"
  );
}

function withOwnName(entry: Entry, entries: readonly Entry[]): Entry {
  const known = isUnresolved(entry) ? knownSince(entry, entries) : undefined;
  if (known === undefined) return entry;
  const { host } = entry.target;
  const root = publicRoot(entry, entries) ?? entries.find((other) => isUnresolved(other) && other.target.host === host);
  const followsFrom = root === undefined || root === entry ? undefined : root.target.id;
  const evidence = `The node's resolvers do not resolve ${host}, while they resolve other names, such as ${known.target.host}. ${entry.evidence}`;
  return { ...entry, evidence, nextStep: nameStep(host, publicRoot(entry, entries) !== undefined), followsFrom };
}

/** The first row of the public names, where they are several and the resolvers resolve none. */
function publicRoot(entry: Entry, entries: readonly Entry[]): Entry | undefined {
  if (!isPublic(entry)) return undefined;
  const peers = entries.filter((other) => isPublic(other) && !other.comparison && isSameFamily(other, entry));
  const failing = peers.filter(isUnresolved);
  const names = new Set(failing.map(({ target }) => target.host));
  const isNoneKnown = peers.every((other) => other.own.resolvedAtMs === undefined);
  return names.size >= NAMES_MIN && isNoneKnown ? failing[0] : undefined;
}

function withQueriedName(entry: Entry, entries: readonly Entry[]): Entry {
  const { options } = entry.target;
  if (options.probe !== "dns" || entry.verdict !== "unmet" || !QUERY_CAUSES.includes(entry.cause)) return entry;
  if (entry.cause === "timeout" && hasOtherThatAnswers(entry, entries)) return entry;
  const name = options.query;
  const unresolved = entries.find(
    (other) => other.target.host === name && isUnresolved(other) && isSameFamily(other, entry),
  );
  const known = unresolved && knownSince(unresolved, entries);
  if (known === undefined) return entry;
  const evidence = `The fault is that of ${name}: other names resolve, such as ${known.target.host}. ${entry.evidence}`;
  const nextStep = nameStep(name, false);
  return { ...entry, verdict: "degraded", evidence, nextStep, followsFrom: unresolved?.target.id };
}

/**
 * Whether another resolver was asked for the name and did not stay silent. It may have resolved the other names, so the
 * silence of this one is its own.
 */
function hasOtherThatAnswers({ target, own }: Entry, entries: readonly Entry[]): boolean {
  const { options } = target;
  return entries.some(
    ({ target: other, own: others }) =>
      other.options.probe === "dns" &&
      options.probe === "dns" &&
      other.options.query === options.query &&
      other.host !== target.host &&
      others.basis !== "no-data" &&
      others.basis !== "no-attempt" &&
      others.reason !== own.reason,
  );
}

/** A row of another name that was looked up successfully after the entry's name failed. */
function knownSince(entry: Entry, entries: readonly Entry[]): Entry | undefined {
  // A name that never resolved has no moment before which others count.
  const sinceMs = entry.own.answeredAtMs === undefined ? 0 : entry.onsetMs;
  return entries.find(
    (other) =>
      isSameFamily(other, entry) &&
      other.target.host !== entry.target.host &&
      other.own.resolvedAtMs !== undefined &&
      other.own.resolvedAtMs >= sinceMs,
  );
}

function isUnresolved(entry: Entry): boolean {
  return entry.target.options.probe !== "dns" && isFailing(entry) && NAME_CAUSES.includes(entry.cause);
}

function isSameFamily(a: Entry, b: Entry): boolean {
  return familyOf(a) === familyOf(b);
}

/** The family of the addresses that are looked up. */
function familyOf({ target: { options, family } }: Entry): number {
  if (options.probe !== "dns") return family;
  return options.type === "A" ? 4 : 6;
}

function nameStep(name: string, isOneOfMany: boolean): string {
  return isOneOfMany
    ? "Owner of the node's resolvers: let them resolve public names; deployment owner: or name mirrors and servers of the site."
    : `Owner of the zone of ${name}: check its name servers and DNSSEC; owner of the node's resolvers: check how they forward ${name}.`;
}
