/**
 * STAMP (RFC 8762): a Session-Sender of one packet. The round trip is T4 − T1 by this host less T3 − T2 by the reflector, so
 * neither clock needs to be right, and the reflector's own slowness is not the path's.
 *
 * 1. A reply is ours when it copies both the sequence number and the timestamp of our request; another's is a stray.
 * 2. The sequence number is drawn at random from the half of the space that WireGuard does not use (see `@lifeline/stamp`).
 */
import { NS_PER_US, type Outcome } from "@lifeline/measure";
import {
  decodeReflected,
  encodeSender,
  ntpFromWallMs,
  OWN_ERROR_ESTIMATE,
  residenceNs,
  SEQUENCE_COUNT,
  type SenderPacket,
  sequenceAt,
} from "@lifeline/stamp";
import { type Arrival, type DatagramEnd, exchangeDatagram, type Reading } from "./datagram.ts";
import { emptyTrace, findingOf, outcome, type Trace } from "./finding.ts";
import { locate } from "./locate.ts";
import type { ProbeProtocol } from "./protocol.ts";
import { judgeDatagramError } from "./udp.ts";

/** What a datagram from the reflector was. */
type Reply =
  | { readonly kind: "reply"; readonly residenceNs: number }
  | { readonly kind: "malformed"; readonly code: string };

/** Least round trip that is left once the residence is taken off: the two clocks may differ by this much in so short a time. */
const ROUND_TRIP_MIN_NS = NS_PER_US;

/** Answered by a reply to this very packet; lost by silence. */
export const probeStamp: ProbeProtocol<"stamp"> = async (target, _options, world) => {
  const trace = emptyTrace();
  const located = await locate(world, target, trace);
  if (located.kind === "ended") return findingOf(trace, located.outcome);
  trace.evidence.address = located.address;
  const request: SenderPacket = {
    sequence: sequenceAt(Math.floor(world.random() * SEQUENCE_COUNT)),
    sentAt: ntpFromWallMs(world.clock.wallMs()),
    errorEstimate: OWN_ERROR_ESTIMATE,
  };
  const { end, strays } = await exchangeDatagram(
    world,
    { ...target, address: located.address },
    encodeSender(request),
    (arrival) => readReply(request, arrival),
  );
  if (strays > 0) trace.evidence.strays = strays;
  return findingOf(trace, judge(end, trace));
};

function readReply(request: SenderPacket, { bytes }: Arrival): Reading<Reply> {
  const decoded = decodeReflected(bytes);
  if (decoded.kind === "malformed") return { kind: "ours", value: { kind: "malformed", code: decoded.reason } };
  const { sender } = decoded.packet;
  if (sender.sequence !== request.sequence || sender.sentAt !== request.sentAt) return { kind: "stray" };
  return { kind: "ours", value: { kind: "reply", residenceNs: residenceNs(decoded.packet) } };
}

function judge(end: DatagramEnd<Reply>, trace: Trace): Outcome {
  if (end.kind === "expired") return outcome(end.stalled ? "stalled" : "timeout", "first-byte");
  if (end.kind === "error") return judgeDatagramError(end, trace);
  if (end.value.kind === "malformed") return malformed(end.value.code, trace);
  if (end.tardy !== undefined) return outcome(end.tardy, "first-byte");
  const { elapsedNs, source } = end.arrival;
  const roundTripNs = elapsedNs - end.value.residenceNs;
  // A stay that is negative, or longer than the packet was away, is a stepped clock: no round trip can be had from it.
  if (end.value.residenceNs < 0 || roundTripNs < 0) return malformed("residence", trace);
  trace.rtt = { ns: Math.max(ROUND_TRIP_MIN_NS, roundTripNs), source };
  return outcome("answered", "first-byte");
}

function malformed(code: string, trace: Trace): Outcome {
  trace.evidence.code = code;
  return outcome("stamp-malformed", "first-byte");
}
