/**
 * STAMP (RFC 8762): the Session-Sender. The round trip is T4 − T1 by this host less T3 − T2 by the reflector. So
 * neither clock needs to be right, and the reflector's residence time is not counted. What a session is: see
 * stamp-session.
 */
import { endpointName, NS_PER_US, type Outcome } from "@lifeline/measure";
import { residenceNs } from "@lifeline/stamp";
import { type DatagramEnd, noteDatagramEnd } from "./datagram.ts";
import { locate } from "./locate.ts";
import { emptyTrace, noteLateness, outcome, type ProbeResult, resultOf, type Trace } from "./probe-result.ts";
import type { ProbeProtocol } from "./protocol.ts";
import type { Reply } from "./stamp-session.ts";
import { judgeDatagramError } from "./udp.ts";

/**
 * Least round trip after the residence time was subtracted: the two clocks may differ by this much in so short a time.
 */
const ROUND_TRIP_MIN_NS = NS_PER_US;

/** Answered by a reply to this packet; lost by silence. */
export const probeStamp: ProbeProtocol<"stamp"> = async (target, { authenticated }, world) => {
  const trace = emptyTrace();
  const key = authenticated ? world.stampKey : undefined;
  if (authenticated && key === undefined) return resultOf(trace, outcome("stamp-unkeyed", "plan"));
  const located = await locate(world, target, trace);
  if (located.kind === "ended") return resultOf(trace, located.outcome);
  const { address } = located;
  trace.evidence.address = address;
  world.noteStep?.("udp", `STAMP packet to ${endpointName(address, target.port)}`);
  const { end, strays, localAddress, directions } = await world.sessions.exchange(
    { ...target, address },
    key,
    world.watch,
  );
  noteDatagramEnd(world.noteStep, { end, strays });
  if (strays > 0) trace.evidence.strays = strays;
  if (localAddress !== undefined) trace.evidence.localAddress = localAddress;
  const result = resultOf(trace, judge(end, trace));
  return directions === undefined ? result : ({ ...result, directions } satisfies ProbeResult);
};

function judge(end: DatagramEnd<Reply>, trace: Trace): Outcome {
  if (end.kind === "expired") return outcome(end.stalled ? "stalled" : "timeout", "first-byte");
  if (end.kind === "error") return judgeDatagramError(end, trace);
  if (end.value.kind === "malformed") return malformed(end.value.code, trace);
  const stalled = noteLateness(end.late, end.arrival.elapsedNs, "first-byte", trace);
  if (stalled !== undefined) return stalled;
  const { elapsedNs, source } = end.arrival;
  const residentNs = residenceNs(end.value.packet);
  const roundTripNs = elapsedNs - residentNs;
  // A residence time that is negative or longer than T4 − T1 shows that a clock was stepped, so there is no round trip.
  if (residentNs < 0 || roundTripNs < 0) return malformed("residence", trace);
  if (trace.flaw === undefined) trace.rtt = { ns: Math.max(ROUND_TRIP_MIN_NS, roundTripNs), source };
  return outcome("answered", "first-byte");
}

function malformed(code: string, trace: Trace): Outcome {
  trace.evidence.code = code;
  return outcome("stamp-malformed", "first-byte");
}
