/**
 * gRPC: a server behind the port answers a call with a gRPC status.
 *
 * The call is to a method that no server has. UNIMPLEMENTED (12) proves TCP, TLS, HTTP/2 and gRPC, and the call has no
 * effect. Omni's Machine API has neither health checks nor reflection, and its methods register machines. Any other
 * gRPC status proves the same, and is kept as evidence.
 */
import type { Outcome } from "@lifeline/measure";
import { closeChannel, openChannel } from "./channel.ts";
import { isExpired } from "./deadline.ts";
import { type Exchanged, reasonOfExchangeCode, USER_AGENT } from "./exchange.ts";
import { originOf } from "./http.ts";
import { exchangeHttp2 } from "./http2-exchange.ts";
import { emptyTrace, outcome, resultOf, type Trace } from "./probe-result.ts";
import type { ProbeProtocol } from "./protocol.ts";

/** The method that is called. It is in Lifeline's own package, so that no other server has it. */
export const UNKNOWN_METHOD = "/lifeline.v1.Reachability/Unknown";

/** One empty message: not compressed, 0 bytes long (gRPC over HTTP/2, "Length-Prefixed-Message"). */
const EMPTY_MESSAGE = new Uint8Array(5);

/** A gRPC status is a decimal number (gRPC over HTTP/2, "Status"). */
const STATUS = /^\d{1,9}$/;

/** Answered by any gRPC status. */
export const probeGrpc: ProbeProtocol<"grpc"> = async (target, { trust }, world) => {
  const trace = emptyTrace();
  // A gRPC client offers h2 alone (grpc-go credentials/tls.go).
  const channel = await openChannel(world, target, { trust, alpn: ["h2"] }, trace);
  if (channel.kind === "ended") return resultOf(trace, channel.outcome);
  const { socket, deadline } = channel;
  try {
    if (trust !== undefined && trace.evidence.alpn !== "h2") return resultOf(trace, outcome("grpc-protocol", "tls"));
    const startedNs = deadline.elapsedNs();
    const exchanged = await deadline.race(
      exchangeHttp2(socket, callOf(originOf(target, trust !== undefined)), () => {
        trace.phases.requestNs = deadline.elapsedNs() - startedNs;
      }),
    );
    if (isExpired(exchanged)) {
      return resultOf(trace, outcome(exchanged.stalled ? "stalled" : "handshake-timeout", "first-byte"));
    }
    const late = deadline.lateness(deadline.elapsedNs());
    if (late !== undefined) return resultOf(trace, outcome(late, "first-byte"));
    trace.phases.firstByteNs = deadline.elapsedNs() - startedNs - (trace.phases.requestNs ?? 0);
    return resultOf(trace, judgeCall(exchanged, trace));
  } finally {
    closeChannel(channel);
  }
};

function callOf(origin: string) {
  const headers = {
    ":method": "POST",
    ":path": UNKNOWN_METHOD,
    "content-type": "application/grpc",
    te: "trailers",
    "user-agent": USER_AGENT,
  };
  return { origin, headers, body: EMPTY_MESSAGE, awaitsTrailers: true };
}

function judgeCall(exchanged: Exchanged, trace: Trace): Outcome {
  if (exchanged.kind === "error") {
    trace.evidence.code = exchanged.code;
    return outcome(reasonOfExchangeCode(exchanged.code, "grpc-protocol"), "first-byte");
  }
  trace.evidence.httpStatus = exchanged.status;
  if (exchanged.grpcStatus === undefined || !STATUS.test(exchanged.grpcStatus)) {
    return outcome("grpc-protocol", "first-byte");
  }
  trace.evidence.grpcStatus = Number(exchanged.grpcStatus);
  return outcome("answered", "first-byte");
}
