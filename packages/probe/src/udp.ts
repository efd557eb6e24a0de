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
import { NS_PER_MS, type Outcome } from "@lifeline/measure";
import { clockSampleOf, NTP_PACKET_BYTES } from "./clock-sample.ts";
import { type DatagramEnd, exchangeDatagram } from "./datagram.ts";
import { reasonOfErrno } from "./errno.ts";
import { locate } from "./locate.ts";
import { emptyTrace, outcome, resultOf, type Trace } from "./probe-result.ts";
import type { ProbeProtocol } from "./protocol.ts";
import type { ProbeWorld } from "./world.ts";

/** Least payload: Omni's TUN drops inner packets under 54 bytes, which a datagram of 6 is on IPv6 (40 + 8 + 6). */
const PAYLOAD_MIN_BYTES = 6;

/** Most: what a UDP datagram holds on IPv4 (65,535 − 20 − 8). */
const PAYLOAD_MAX_BYTES = 65_507;

/**
 * First byte of the payload; zeros follow. It is none of WireGuard's message types 1–4, so no firewall or server takes
 * the datagram for a handshake. With 48 bytes it is a client request of NTP version 4 (RFC 5905 §7.3: LI 0, VN 4, mode
 * 3), which a time server answers.
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
  const started = { wallMs: world.clock.wallMs(), ns: world.clock.monotonicNs() };
  const { end, localAddress } = await exchangeDatagram(world, { ...target, address: located.address }, payload, () => ({
    kind: "answer",
    value: undefined,
  }));
  if (payloadBytes === NTP_PACKET_BYTES) takeClockSample(end, started, world);
  if (localAddress !== undefined) trace.evidence.localAddress = localAddress;
  return resultOf(trace, judge(end, expectRefusal, trace));
};

/**
 * Longest time that this process may have spent beside the exchange, ns, for `started` to say when the request left.
 * With half a round trip below 475 ms (a threshold of 950 ms) the offset errs by less than the second from which a
 * clock counts as wrong.
 */
const BESIDE_MAX_NS = 500 * NS_PER_MS;

/**
 * Hands on what an answer shows of this host's clock, unless this process was too busy to know when the request left.
 */
function takeClockSample(
  end: DatagramEnd<undefined>,
  started: { readonly wallMs: number; readonly ns: number },
  { clock, onClockSample }: ProbeWorld,
): void {
  if (end.kind !== "answered" || end.late !== undefined) return;
  const besideNs = clock.monotonicNs() - started.ns - end.arrival.elapsedNs;
  const sample = clockSampleOf(end.arrival.bytes, started.wallMs, end.arrival.elapsedNs / NS_PER_MS);
  if (sample !== undefined && besideNs <= BESIDE_MAX_NS) onClockSample?.(sample);
}

function judge(end: DatagramEnd<undefined>, expectRefusal: boolean, trace: Trace): Outcome {
  switch (end.kind) {
    case "expired":
      return outcome(end.stalled ? "stalled" : expectRefusal ? "timeout" : "silent", "first-byte");
    case "error": {
      const judged = judgeDatagramError(end, trace);
      return expectRefusal && judged.reason === "refused" ? outcome("answered", judged.phase) : judged;
    }
    case "answered":
      if (end.late !== undefined) return outcome(end.late, "first-byte");
      trace.rtt = { ns: end.arrival.elapsedNs, source: end.arrival.source };
      return outcome("answered", "first-byte");
  }
}

/** The outcome of a failed exchange, by its errno. A refusal that came back has a round trip too. */
export function judgeDatagramError(end: DatagramEnd<unknown> & { kind: "error" }, trace: Trace): Outcome {
  trace.evidence.code = end.code;
  const reason = reasonOfErrno(end.code, end.place);
  const phase = end.place === "datagram-send" ? "request" : "first-byte";
  if (reason !== "refused") return outcome(reason, phase);
  if (end.late !== undefined) return outcome(end.late, phase);
  trace.rtt = { ns: end.elapsedNs, source: end.source };
  return outcome(reason, phase);
}
