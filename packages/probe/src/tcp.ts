/**
 * TCP connect: the port accepts, refuses, or is silent.
 *
 * A reset ends the connection, not a FIN. Nothing was sent on it, and a reset at once frees the port here and the state
 * in every NAT and firewall on the path. A FIN would leave TIME_WAIT for a minute after each probe.
 */
import { dial } from "./dial.ts";
import { locate } from "./locate.ts";
import { emptyTrace, outcome, resultOf } from "./probe-result.ts";
import type { ProbeProtocol } from "./protocol.ts";

/** Answered by a handshake, or by a reset with `acceptReset`, where a closed port proves the path as well. */
export const probeTcp: ProbeProtocol<"tcp"> = async (target, { acceptReset }, world) => {
  const trace = emptyTrace();
  const located = await locate(world, target, trace);
  if (located.kind === "ended") return resultOf(trace, located.outcome);
  const dialled = await dial(
    world,
    { ...target, handshakeTimeoutMs: target.timeoutMs, address: located.address },
    trace,
  );
  if (dialled.kind === "ended") {
    const proven = acceptReset && dialled.outcome.reason === "refused";
    return resultOf(trace, proven ? outcome("answered", "connect") : dialled.outcome);
  }
  dialled.deadline.cancel();
  dialled.socket.resetAndDestroy();
  return resultOf(trace, outcome("answered", "connect"));
};
