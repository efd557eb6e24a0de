/**
 * UDP to a peer that need not answer (WireGuard). Only a fault can be proven: silence may mean open or closed.
 *
 * With `expectRefusal` the port is one in the tunnel that is known to be closed. Its port-unreachable is then the
 * expected answer, with a round trip, and silence is a loss.
 *
 * An ICMP error proves a fault. Its absence proves nothing, because routers and hosts limit their rate (Linux: about
 * six at once, then one a second, icmp(7) `icmp_ratelimit`).
 */
import assert from "node:assert/strict";
import type { Outcome } from "@lifeline/measure";
import { type DatagramEnd, exchangeDatagram } from "./datagram.ts";
import { reasonOfErrno } from "./errno.ts";
import { locate } from "./locate.ts";
import { emptyTrace, noteLateness, outcome, resultOf, type Trace } from "./probe-result.ts";
import type { ProbeProtocol } from "./protocol.ts";

/** Least payload: Omni's TUN drops inner packets under 54 bytes, which a datagram of 6 is on IPv6 (40 + 8 + 6). */
const PAYLOAD_MIN_BYTES = 6;

/** Most: what a UDP datagram holds on IPv4 (65,535 − 20 − 8). */
const PAYLOAD_MAX_BYTES = 65_507;

/**
 * First byte of the payload; zeros follow. It is none of WireGuard's message types 1–4, so no firewall or server takes
 * the datagram for a handshake.
 */
const FIRST_BYTE = 0x23;

/**
 * Answered by any datagram or by an expected refusal; refused or filtered by ICMP; otherwise silent, or lost where
 * refusal is expected.
 */
export const probeUdp: ProbeProtocol<"udp"> = async (target, { payloadBytes, expectRefusal }, world) => {
  assert(
    payloadBytes >= PAYLOAD_MIN_BYTES && payloadBytes <= PAYLOAD_MAX_BYTES,
    `payloadBytes is ${PAYLOAD_MIN_BYTES}–${PAYLOAD_MAX_BYTES}, not ${payloadBytes}`,
  );
  const trace = emptyTrace();
  const located = await locate(world, target, trace);
  if (located.kind === "ended") return resultOf(trace, located.outcome);
  trace.evidence.address = located.address;
  const payload = new Uint8Array(payloadBytes);
  payload[0] = FIRST_BYTE;
  const { end, localAddress } = await exchangeDatagram(world, { ...target, address: located.address }, payload, () => ({
    kind: "answer",
    value: undefined,
  }));
  if (localAddress !== undefined) trace.evidence.localAddress = localAddress;
  return resultOf(trace, judge(end, expectRefusal, trace));
};

function judge(end: DatagramEnd<undefined>, expectRefusal: boolean, trace: Trace): Outcome {
  switch (end.kind) {
    case "expired":
      return outcome(end.stalled ? "stalled" : expectRefusal ? "timeout" : "silent", "first-byte");
    case "error": {
      const judged = judgeDatagramError(end, trace);
      return expectRefusal && judged.reason === "refused" ? outcome("answered", judged.phase) : judged;
    }
    case "answered":
      return noteArrival(end, trace) ?? outcome("answered", "first-byte");
  }
}

/** The outcome of a failed exchange, by its errno. A refusal that came back has a round trip too. */
export function judgeDatagramError(end: DatagramEnd<unknown> & { kind: "error" }, trace: Trace): Outcome {
  trace.evidence.code = end.code;
  const reason = reasonOfErrno(end.code, end.place);
  const phase = end.place === "datagram-send" ? "request" : "first-byte";
  if (reason !== "refused") return outcome(reason, phase);
  if (end.late !== "stalled") trace.rtt = { ns: end.elapsedNs, source: end.source };
  return noteLateness(end.late, end.elapsedNs, phase, trace) ?? outcome(reason, phase);
}

/** Notes the round trip of an answer, or that it was late; returns how the attempt ends when this process stalled. */
export function noteArrival(end: DatagramEnd<unknown> & { kind: "answered" }, trace: Trace): Outcome | undefined {
  const { elapsedNs, source } = end.arrival;
  if (end.late === undefined) trace.rtt = { ns: elapsedNs, source };
  return noteLateness(end.late, elapsedNs, "first-byte", trace);
}
