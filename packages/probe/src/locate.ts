/** The first step of every attempt: from the target's host to the one address that is tried. */
import type { Outcome, Target } from "@lifeline/measure";
import { isExpired, startDeadline } from "./deadline.ts";
import { outcome, type Trace } from "./probe-result.ts";
import type { ProbeWorld } from "./world.ts";

/** The address to try, or how the attempt ended without one. */
export type Located =
  | { readonly kind: "address"; readonly address: string }
  | { readonly kind: "ended"; readonly outcome: Outcome };

/**
 * Resolves the target's host within its own budget of `timeoutMs`: a slow resolver must not look like a lossy path, so what
 * it takes is not taken from the endpoint. Fills in answers, dnsNs (only when this attempt asked) and the resolver's code.
 */
export async function locate(world: ProbeWorld, target: Target, trace: Trace): Promise<Located> {
  const deadline = startDeadline(world.clock, target.timeoutMs);
  const answer = await deadline.race(world.names.resolve(target.host, target.family));
  deadline.cancel();
  if (isExpired(answer)) {
    return { kind: "ended", outcome: outcome(answer.stalled ? "stalled" : "dns-timeout", "dns") };
  }
  const tookNs = deadline.elapsedNs();
  // An answer that came late, or was held up here, is still an address to try; its duration is none of the resolver's.
  if (answer.asked && deadline.lateness(tookNs) === undefined) trace.phases.dnsNs = tookNs;
  if (answer.kind === "failed") {
    trace.evidence.code = answer.code;
    return { kind: "ended", outcome: outcome(answer.reason, "dns") };
  }
  trace.evidence.answers = answer.addresses;
  return { kind: "address", address: answer.addresses[0] };
}
