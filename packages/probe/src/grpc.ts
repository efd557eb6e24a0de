/**
 * gRPC: the server behind the port has the service.
 *
 * The call is to a method that the service does not have, so it has no effect. A server that has the service answers
 * with the status and the message of the expectation, which are data of the catalogue. Omni's Machine API has neither
 * health checks nor reflection, and its methods register machines. Any other status comes from a proxy or from another
 * server.
 */
import type { GrpcExpectation, Outcome, Reason } from "@lifeline/measure";
import { closeChannel, openChannel } from "./channel.ts";
import { isExpired } from "./deadline.ts";
import { type Exchanged, exchangeFault, headerOf, noteResponse, USER_AGENT } from "./exchange.ts";
import { decodeGrpcMessage, matchesText } from "./grpc-message.ts";
import { isRateLimited, originOf } from "./http.ts";
import { exchangeHttp2, type Http2Request } from "./http2-exchange.ts";
import { boundedText, emptyTrace, noteLateness, outcome, resultOf, type Trace } from "./probe-result.ts";
import type { ProbeProtocol } from "./protocol.ts";

/** One empty message: not compressed, 0 bytes long (gRPC over HTTP/2, "Length-Prefixed-Message"). */
const EMPTY_MESSAGE = new Uint8Array(5);

/** A gRPC status is a decimal number (gRPC over HTTP/2, "Status"). */
const STATUS = /^\d{1,9}$/;

/** gRPC's own names of its statuses (grpc/grpc, doc/statuscodes.md), and what each says of a call by a node. */
const REASONS: Readonly<Record<number, Reason>> = {
  7: "grpc-denied", // PERMISSION_DENIED
  12: "grpc-other-server", // UNIMPLEMENTED
  14: "upstream-down", // UNAVAILABLE
  16: "grpc-credentials", // UNAUTHENTICATED
};

/** What a gRPC client makes of an answer without a gRPC status (grpc/grpc, doc/http-grpc-status-mapping.md). */
const HTTP_REASONS: Readonly<Record<number, Reason>> = {
  401: "grpc-credentials",
  403: "grpc-denied",
  502: "upstream-down",
  503: "upstream-down",
  504: "upstream-down",
};

/** Answered by the expected status and message. */
export const probeGrpc: ProbeProtocol<"grpc"> = async (target, { trust, expect }, world) => {
  const trace = emptyTrace();
  // A gRPC client offers h2 alone (grpc-go credentials/tls.go).
  const channel = await openChannel(world, target, { trust, alpn: ["h2"] }, trace);
  if (channel.kind === "ended") return resultOf(trace, channel.outcome);
  const { socket, deadline } = channel;
  try {
    if (trust !== undefined && trace.evidence.alpn !== "h2") return resultOf(trace, outcome("grpc-protocol", "tls"));
    const startedNs = deadline.elapsedNs();
    const origin = originOf(target, trust !== undefined);
    world.noteStep?.("grpc", `POST ${origin}${expect.method}`);
    const exchanged = await deadline.race(
      exchangeHttp2(socket, callOf(origin, expect), () => {
        trace.phases.requestNs = deadline.elapsedNs() - startedNs;
      }),
    );
    if (isExpired(exchanged)) {
      world.noteStep?.("grpc", "no answer before the threshold");
      return resultOf(trace, outcome(exchanged.stalled ? "stalled" : "handshake-timeout", "first-byte"));
    }
    if (exchanged.kind === "error") world.noteStep?.("grpc", `no answer: ${exchanged.code}`);
    else noteResponse(world.noteStep, exchanged, origin);
    const tookNs = deadline.elapsedNs();
    const stalled = noteLateness(deadline.lateness(tookNs), tookNs, "first-byte", trace);
    if (stalled !== undefined) return resultOf(trace, stalled);
    trace.phases.firstByteNs = deadline.elapsedNs() - startedNs - (trace.phases.requestNs ?? 0);
    const judged = judgeCall(exchanged, expect, trace, world.clock.wallMs());
    const { grpcStatus, grpcMessage = "no message" } = trace.evidence;
    if (grpcStatus !== undefined) world.noteStep?.("grpc", `grpc-status ${grpcStatus}: ${grpcMessage}`);
    return resultOf(trace, judged);
  } finally {
    closeChannel(channel);
  }
};

function callOf(origin: string, { method }: GrpcExpectation): Http2Request {
  const headers = {
    ":method": "POST",
    ":path": method,
    "content-type": "application/grpc",
    te: "trailers",
    "user-agent": USER_AGENT,
  };
  return { origin, headers, body: EMPTY_MESSAGE, reads: "trailers" };
}

function judgeCall(exchanged: Exchanged, expect: GrpcExpectation, trace: Trace, wallMs: number): Outcome {
  if (exchanged.kind === "error") {
    return outcome(exchangeFault(exchanged.code, "grpc-protocol", trace), "first-byte");
  }
  trace.evidence.httpStatus = exchanged.status;
  if (isRateLimited(exchanged, trace, wallMs)) return outcome("rate-limited", "first-byte");
  // In the trailers, or in the headers when there was nothing else to send.
  const sent = (name: string) => headerOf(exchanged.trailers, name) ?? headerOf(exchanged.headers, name);
  const status = sent("grpc-status");
  if (status === undefined || !STATUS.test(status)) {
    return outcome(HTTP_REASONS[exchanged.status] ?? "grpc-protocol", "first-byte");
  }
  const message = decodeGrpcMessage(sent("grpc-message") ?? "");
  trace.evidence.grpcStatus = Number(status);
  if (message !== "") trace.evidence.grpcMessage = boundedText(message);
  return outcome(reasonOfStatus(Number(status), message, expect), "first-byte");
}

function reasonOfStatus(status: number, message: string, expect: GrpcExpectation): Reason {
  if (status === expect.status && matchesText(expect.message, message)) return "answered";
  return REASONS[status] ?? "grpc-status";
}
