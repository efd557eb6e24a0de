/**
 * An attempt at a target inside the tunnel.
 *
 * 1. Without the node's own end of the tunnel nothing is sent: by another interface it would say nothing about the
 *    tunnel.
 * 2. A lost attempt during which the tunnel received packets is `tunnel-one-way`: they were not its answer.
 */
import { join } from "node:path";
import type { Outcome, Target } from "@lifeline/measure";
import { codeOf } from "./errno.ts";
import { noAddressCode, receivedBytes, tunnelInterfaces } from "./link.ts";
import { emptyTrace, outcome, type ProbeResult, resultOf, type Trace } from "./probe-result.ts";
import { textOf } from "./proc-table.ts";
import { isWithinPrefix, tunnelAddressesIn } from "./siderolink-prefix.ts";
import type { ProbeWorld } from "./world.ts";

/**
 * How long after the start of an attempt a packet still may be an answer to an earlier one, ms: longer than the round
 * trip between any two places by cable.
 */
const SETTLED_AFTER_MS = 300;

/** Makes the attempt, if the node has the tunnel. Never rejects because of the node. */
export async function attemptInTunnel(
  target: Target,
  world: ProbeWorld,
  attempt: () => Promise<ProbeResult>,
): Promise<ProbeResult> {
  const trace = emptyTrace();
  const tunnel = tunnelOf(target, world, trace);
  if (typeof tunnel !== "string") {
    world.noteStep?.("tunnel", `nothing is sent: ${trace.evidence.code ?? tunnel.reason}`);
    return resultOf(trace, tunnel);
  }
  world.noteStep?.("tunnel", `leaves by ${tunnel}`);
  let settledBytes: number | undefined;
  const settling = world.clock.after(SETTLED_AFTER_MS, () => {
    settledBytes = receivedBytes(world.sysRoot, tunnel);
  });
  const result = await attempt();
  settling.cancel();
  const { reason, phase } = result.outcome;
  if (reason !== "timeout" || settledBytes === undefined) return result;
  const endedBytes = receivedBytes(world.sysRoot, tunnel) ?? settledBytes;
  return endedBytes > settledBytes ? { ...result, outcome: outcome("tunnel-one-way", phase) } : result;
}

/** The interface that leads to the target; or the outcome of an attempt that is not made. */
function tunnelOf({ host }: Target, { sysRoot, procRoot }: ProbeWorld, trace: Trace): string | Outcome {
  const own = tunnelAddressesIn(textOf(join(procRoot, "net/if_inet6")));
  const tunnel = own.find(({ prefix }) => isWithinPrefix(host, prefix));
  if (tunnel !== undefined) return tunnel.name;
  if (own.length > 0) return outcome("network-unreachable", "plan");
  try {
    const [name] = tunnelInterfaces(sysRoot);
    const code = noAddressCode(procRoot, name);
    if (code !== undefined) trace.evidence.code = code;
    return outcome(name === undefined ? "link-absent" : "link-no-address", "plan");
  } catch (error) {
    trace.evidence.code = codeOf(error);
    return outcome("agent-resource", "plan");
  }
}
