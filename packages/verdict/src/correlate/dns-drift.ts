/** A name whose addresses changed since the target last answered. */
import type { Cause } from "@lifeline/measure";
import type { Entry } from "../entry.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { isDnsCause } from "./missing-address.ts";

/**
 * Names drift where a target fails at an address that its name did not have when it last answered. For a working target
 * it only adds the change to the evidence.
 */
export function withDrift(entry: Entry, _: readonly Entry[], { previous }: CorrelationContext): Entry {
  const { own, target, verdict } = entry;
  const answers = own.seen?.evidence.answers;
  const before = own.goodAnswers;
  if (verdict === "met" && before !== undefined && answers !== undefined) {
    return { ...entry, evidence: `${entry.evidence} ${moved(target.host, before, answers)}` };
  }
  if (verdict !== "unmet" || isDnsCause(entry.cause)) return entry;
  const nextStep = entry.thirdParty
    ? `Network team: allow the new addresses of ${target.host}; if they are not its own, find out why the resolver answers with them.`
    : `Owner of the zone of ${target.host}: point it at addresses that answer; network team: allow the new addresses.`;
  if (before === undefined) {
    // The windows from before the fault are gone; the previous verdict keeps the cause.
    const was = previous?.get(target.id);
    if (was?.verdict !== "unmet" || was.cause !== "dns-drift") return entry;
    return { ...entry, cause: "dns-drift", evidence: was.evidence ?? entry.evidence, nextStep };
  }
  if (answers === undefined || !isElsewhere(own.seen?.evidence.address, answers, before)) return entry;
  const evidence = `${entry.evidence} ${moved(target.host, before, answers)}`;
  if (ON_THE_PATH.includes(entry.cause)) return { ...entry, evidence };
  return { ...entry, cause: "dns-drift", evidence, nextStep };
}

/** Causes that the exchange itself shows. Public hosts change their addresses all day, and are not at fault. */
const ON_THE_PATH: readonly Cause[] = ["tls-filtered", "tls-intercepted"];

function isElsewhere(address: string | undefined, answers: readonly string[], before: readonly string[]): boolean {
  return address === undefined ? !answers.some((one) => before.includes(one)) : !before.includes(address);
}

function moved(host: string, before: readonly string[], now: readonly string[]): string {
  return `${host} resolved to ${before.join(", ")} before; it now resolves to ${now.join(", ")}.`;
}
