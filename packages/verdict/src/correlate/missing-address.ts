/** A name without an address of a family. */
import { type Cause, reasonFacts } from "@lifeline/measure";
import type { Entry } from "../entry.ts";
import { nextStepFor, UNCONFIRMED_STEP } from "../next-step.ts";
import type { CorrelationContext } from "./correlation-context.ts";

/** A family without an address does not apply while the other family has one. A name without any address is a fault. */
export function withMissingAddress(entry: Entry, entries: readonly Entry[], { thresholds }: CorrelationContext): Entry {
  const { own, target } = entry;
  if (own.basis !== "name-has-no-address") return entry;
  const siblings = entries.filter(({ target: other }) => other.host === target.host && other.family !== target.family);
  if (siblings.some(hasResolved)) {
    const evidence = `The name ${target.host} has no IPv${target.family} address; it is measured over IPv${target.family === 4 ? 6 : 4}.`;
    return { ...entry, verdict: "not-applicable", cause: "none", evidence, nextStep: "" };
  }
  const neither = siblings.every(({ own: other }) => other.basis === "name-has-no-address");
  if (neither && (own.lookback.counts.get("dns-nodata") ?? 0) >= thresholds.proofRunLength) {
    if (siblings.length === 0) return withoutCommonFamily(entry);
    const evidence = `The name ${target.host} has neither an IPv4 nor an IPv6 address. ${entry.evidence}`;
    return { ...entry, verdict: "unmet", evidence, nextStep: nextStepFor("dns-nodata", target) };
  }
  return { ...entry, nextStep: UNCONFIRMED_STEP };
}

/** A name of which only one family is measured, because the node has no route of the other. */
function withoutCommonFamily(entry: Entry): Entry {
  const { target, requirement } = entry;
  const { host, family } = target;
  const other = family === 4 ? 6 : 4;
  const evidence = `${host} has no IPv${family} address, and IPv${family} is the only family that this node has a route for: to this node it is an IPv${other}-only host. ${entry.evidence}`;
  const route = family === 6 ? "NAT64 with DNS64, or an IPv4 route" : "an IPv6 route";
  const owner =
    requirement.place.kind === "service"
      ? `owner of the zone of ${host}: or give it an IPv${family} address`
      : `deployment owner: or name a mirror for ${host} (airGapped.mirrors)`;
  const nextStep = `Network team: give this node ${route}; ${owner}.`;
  return { ...entry, verdict: "unmet", cause: "no-common-family", evidence, nextStep };
}

/** Whether an attempt of the lookback got past the resolver. */
export function hasResolved({ own }: Entry): boolean {
  return [...own.lookback.counts.keys()].some((reason) => {
    const { cause, blame } = reasonFacts(reason);
    return !isDnsCause(cause) && blame !== "agent";
  });
}

/** Whether the cause is a failure of DNS. Drift is not: the resolver answers. */
export function isDnsCause(cause: Cause): boolean {
  return cause.startsWith("dns-") && cause !== "dns-drift";
}
