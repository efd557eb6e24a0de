/** The first step of every attempt: from the target's host to the one address to try. */
import { isWithin, LATE_WATCH_MS, type Outcome, type Target } from "@lifeline/measure";
import { TURNS_MAX } from "./address-turns.ts";
import { isExpired, startDeadline } from "./deadline.ts";
import type { NameAnswer } from "./name-resolver.ts";
import { outcome, type Trace } from "./probe-result.ts";
import type { ProbeWorld } from "./world.ts";

/** The address to try, or how the attempt ended without one. */
export type Located =
  | { readonly kind: "address"; readonly address: string }
  | { readonly kind: "ended"; readonly outcome: Outcome };

type Addresses = Extract<NameAnswer, { kind: "addresses" }>;

/**
 * Resolves the target's host within a budget of its own, which is as long as a silent attempt is watched. A slow
 * resolver then takes no time from the endpoint, and does not look like a lossy path. Several addresses take turns.
 * Fills in answers, the addresses that take turns, dnsNs (only when this attempt queried) and the resolver's code.
 */
export async function locate(world: ProbeWorld, target: Target, trace: Trace): Promise<Located> {
  const deadline = startDeadline(world.clock, target.timeoutMs + LATE_WATCH_MS);
  const answer = await deadline.race(world.names.resolve(target.host, target.family, world.noteStep));
  deadline.cancel();
  if (isExpired(answer)) {
    world.noteStep?.("dns", `no answer for ${target.host} within ${target.timeoutMs + LATE_WATCH_MS} ms`);
    return { kind: "ended", outcome: outcome(answer.stalled ? "stalled" : "dns-timeout", "dns") };
  }
  const tookNs = deadline.elapsedNs();
  // A late answer, or one that a stall of this process delayed, still has an address to try. Its duration is not the
  // resolver's.
  if (answer.queried && deadline.lateness(tookNs) === undefined) trace.phases.dnsNs = tookNs;
  if (answer.kind === "failed") {
    trace.evidence.code = answer.code;
    return { kind: "ended", outcome: outcome(answer.reason, "dns") };
  }
  trace.evidence.answers = answer.addresses;
  const address = turnOf(world, target, answer, trace);
  if (!isAllowed(target, address)) {
    trace.evidence.address = address;
    world.noteStep?.("tcp", `${address} is not asked: a redirect may not lead to such an address`);
    return { kind: "ended", outcome: outcome("redirect-not-allowed", "dns") };
  }
  return { kind: "address", address };
}

/** Whether a redirect may lead to this address. A proxy, which the node's owner names, may have any. */
function isAllowed({ redirectScope, proxy }: Target, address: string): boolean {
  return redirectScope === undefined || proxy !== undefined || isWithin(redirectScope, address);
}

function turnOf(world: ProbeWorld, target: Target, { addresses, count }: Addresses, trace: Trace): string {
  const [first, ...rest] = addresses;
  if (rest.length === 0) return first;
  const turns = [first, ...rest.slice(0, TURNS_MAX - 1)] as const;
  trace.evidence.addresses = turns;
  if (count > turns.length) trace.evidence.addressCount = count;
  const next = world.turns.next(target.id, turns);
  world.noteStep?.("tcp", `this attempt tries ${next} alone; ${turns.length} addresses take turns`);
  return next;
}
