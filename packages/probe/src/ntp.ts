/**
 * NTP (RFC 5905): a time server must answer a client's request. Silence is a loss. A datagram that does not answer this
 * request is no answer: it shows that something else answers.
 */
import { locate } from "./locate.ts";
import { decodeNtpAnswer, encodeNtpRequest } from "./ntp-packet.ts";
import { emptyTrace, outcome, resultOf } from "./probe-result.ts";
import type { ProbeProtocol } from "./protocol.ts";
import { randomNonce } from "./random-bytes.ts";
import { askTime } from "./time-exchange.ts";

/** Answered by the time of a synchronised server. */
export const probeNtp: ProbeProtocol<"ntp"> = async (target, _, world) => {
  const trace = emptyTrace();
  const located = await locate(world, target, trace);
  if (located.kind === "ended") return resultOf(trace, located.outcome);
  const nonce = randomNonce(world.random);
  const request = {
    packet: encodeNtpRequest(nonce),
    read: (datagram: Uint8Array) => decodeNtpAnswer(datagram, nonce),
    silent: (strays: number) => outcome(strays > 0 ? "ntp-stray" : "timeout", "first-byte"),
  };
  const ended = await askTime(world, { ...target, address: located.address }, request, trace);
  return resultOf(trace, ended);
};
