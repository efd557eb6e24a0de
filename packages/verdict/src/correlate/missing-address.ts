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
    const lacking =
      siblings.length > 0
        ? "neither an IPv4 nor an IPv6 address"
        : `no IPv${target.family} address, the only family measured`;
    const evidence = `The name ${target.host} has ${lacking}. ${entry.evidence}`;
    return { ...entry, verdict: "unmet", evidence, nextStep: nextStepFor("dns-nodata", target) };
  }
  return { ...entry, nextStep: UNCONFIRMED_STEP };
}

/** Whether an attempt of the lookback got past the resolver. */
function hasResolved({ own }: Entry): boolean {
  return [...own.lookback.counts.keys()].some((reason) => {
    const { cause, blame } = reasonFacts(reason);
    return !isDnsCause(cause) && blame !== "agent";
  });
}

/** Whether the cause is a failure of DNS. Drift is not: the resolver answers. */
export function isDnsCause(cause: Cause): boolean {
  return cause.startsWith("dns-") && cause !== "dns-drift";
}
