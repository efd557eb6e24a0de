/** A resolver that answers for one address family and not for the other. */
import { recordTypeOf } from "@lifeline/measure";
import { type Entry, hasAnsweredSince, isFailing } from "../entry.ts";
import { isDnsCause } from "./missing-address.ts";

/**
 * A resolver that answers A and not AAAA (or the other way round) is named so. A name whose address of that family is
 * therefore not known has no fault of its own: it may have none, so its row is unknown (M4).
 */
export function withOneFamily(entry: Entry, entries: readonly Entry[]): Entry {
  if (entry.target.options.probe === "dns") return isOneFamily(entry, entries) ? asOneFamily(entry) : entry;
  const isUnanswered = isDnsCause(entry.cause) && entry.cause !== "dns-nxdomain" && entry.cause !== "dns-nodata";
  if (!isUnanswered || entry.verdict !== "unmet") return entry;
  const type = recordTypeOf(entry.target.family);
  const queried = entries.filter(
    ({ target: { options } }) => options.probe === "dns" && options.transport === "udp" && options.type === type,
  );
  const resolver = queried.find((other) => isOneFamily(other, entries));
  // Where another resolver answers these queries, the name was not resolved for another reason.
  if (resolver === undefined || queried.some((other) => !isFailing(other))) return entry;
  const evidence = `Whether ${entry.target.host} has an IPv${entry.target.family} address is not known: the resolver ${resolver.target.host} answers no ${type} query. ${entry.evidence}`;
  const { nextStep } = asOneFamily(resolver);
  return { ...entry, verdict: "unknown", cause: "dns-one-family", evidence, nextStep, followsFrom: resolver.target.id };
}

/**
 * Whether a DNS target fails while the same resolver answers the other type over the same transport. The latest answer
 * came after the onset: the two are queried in turn, so it need not be the later of the two.
 */
function isOneFamily(entry: Entry, entries: readonly Entry[]): boolean {
  const { target } = entry;
  // A resolver that loses some queries answers both.
  if (entry.verdict !== "unmet" || target.options.probe !== "dns") return false;
  const { type, transport } = target.options;
  return entries.some(
    (other) =>
      other.target.options.probe === "dns" &&
      other.target.options.type !== type &&
      other.target.options.transport === transport &&
      other.target.host === target.host &&
      other.verdict === "met" &&
      hasAnsweredSince(other, entry.onsetMs),
  );
}

function asOneFamily(entry: Entry): Entry {
  const { target } = entry;
  if (target.options.probe !== "dns") return entry;
  const { type } = target.options;
  const other = type === "A" ? "AAAA" : "A";
  const evidence = `The resolver ${target.host} answers ${other} queries, and not ${type} queries. ${entry.evidence}`;
  const nextStep = `Owner of the resolver ${target.host}: let it answer ${type} queries too; an empty answer is enough.`;
  return { ...entry, verdict: "degraded", cause: "dns-one-family", evidence, nextStep };
}
