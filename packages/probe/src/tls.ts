/**
 * TLS: the handshake completes, the chain ends at a trusted CA, and the name and the application protocol match.
 */
import { closeChannel, openChannel } from "./channel.ts";
import { emptyTrace, outcome, resultOf } from "./probe-result.ts";
import type { ProbeProtocol } from "./protocol.ts";

/** Answered by a certificate without fault and, where it is required, the first ALPN protocol offered. */
export const probeTls: ProbeProtocol<"tls"> = async (target, { trust, alpn, alpnRequired }, world) => {
  const trace = emptyTrace();
  const channel = await openChannel(world, target, { trust, alpn }, trace);
  if (channel.kind === "ended") return resultOf(trace, channel.outcome);
  closeChannel(channel);
  const agreed = !alpnRequired || trace.evidence.alpn === alpn[0];
  return resultOf(trace, outcome(agreed ? "answered" : "alpn-mismatch", "tls"));
};
