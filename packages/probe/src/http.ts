/**
 * HTTP/1.1 and HTTP/2: the host answers in the required version with an expected status.
 *
 * 1. Redirects are recorded and never followed (M1). One that leads to another host is a captive portal or block page,
 *    unless its status is among the expected ones.
 * 2. No body is read. Headers are bounded by `HEADERS_MAX_BYTES`.
 */
import { endpointName, type HttpExpectation, type Reason, type Target } from "@lifeline/measure";
import { closeChannel, openChannel } from "./channel.ts";
import { isExpired } from "./deadline.ts";
import { type Exchanged, reasonOfExchangeCode, USER_AGENT } from "./exchange.ts";
import { exchangeHttp1 } from "./http1-exchange.ts";
import { exchangeHttp2 } from "./http2-exchange.ts";
import { boundedText, emptyTrace, outcome, resultOf, type Trace } from "./probe-result.ts";
import type { ProbeProtocol } from "./protocol.ts";

/**
 * Statuses from here on are server errors (RFC 9110 §15.6). They are accepted only when they are expected explicitly.
 */
const SERVER_ERROR_STATUS = 500;

/**
 * HTTP/1.1 is offered beside HTTP/2: a server without HTTP/2 then chooses it, where it would otherwise close the
 * connection.
 */
const ALPN = { "1.1": ["http/1.1"], "2": ["h2", "http/1.1"] } as const;

/** Answered by an expected status from the target's own host in the required version. */
export const probeHttp: ProbeProtocol<"http"> = async (target, { trust, expect }, world) => {
  const trace = emptyTrace();
  const channel = await openChannel(world, target, { trust, alpn: ALPN[expect.version] }, trace);
  if (channel.kind === "ended") return resultOf(trace, channel.outcome);
  const { socket, deadline } = channel;
  try {
    if (trust !== undefined && !agreesOn(expect.version, trace.evidence.alpn)) {
      return resultOf(trace, outcome("http-protocol", "tls"));
    }
    const startedNs = deadline.elapsedNs();
    const sent = () => {
      trace.phases.requestNs = deadline.elapsedNs() - startedNs;
    };
    const exchanged = await deadline.race(
      expect.version === "2"
        ? exchangeHttp2(socket, http2Request(target, trust !== undefined, expect), sent)
        : exchangeHttp1(socket, http1Request(target, trust !== undefined, expect), sent),
    );
    if (isExpired(exchanged)) {
      return resultOf(trace, outcome(exchanged.stalled ? "stalled" : "handshake-timeout", "first-byte"));
    }
    if (exchanged.kind === "response") {
      const late = deadline.lateness(deadline.elapsedNs());
      if (late !== undefined) return resultOf(trace, outcome(late, "first-byte"));
      trace.phases.firstByteNs = deadline.elapsedNs() - startedNs - (trace.phases.requestNs ?? 0);
    }
    return resultOf(trace, outcome(judgeExchange(exchanged, target, trust !== undefined, expect, trace), "first-byte"));
  } finally {
    closeChannel(channel);
  }
};

/** A server without ALPN speaks HTTP/1.1 (RFC 9113 §3.2). */
function agreesOn(version: HttpExpectation["version"], alpn: string | undefined): boolean {
  return version === "2" ? alpn === "h2" : alpn !== "h2";
}

/** `:authority` and `Host` leave out the scheme's own port (RFC 9110 §4.2.3). */
function authorityOf({ host, port }: Pick<Target, "host" | "port">, isSecure: boolean): string {
  return port === (isSecure ? 443 : 80) ? endpointName(host, port).replace(/:\d+$/, "") : endpointName(host, port);
}

/** The origin of a target, as a URL. */
export function originOf(target: Pick<Target, "host" | "port">, isSecure: boolean): string {
  return `${isSecure ? "https" : "http"}://${authorityOf(target, isSecure)}`;
}

function http1Request(target: Target, isSecure: boolean, { method, path }: HttpExpectation) {
  return { method, path, authority: authorityOf(target, isSecure), userAgent: USER_AGENT };
}

function http2Request(target: Target, isSecure: boolean, { method, path }: HttpExpectation) {
  const headers = { ":method": method, ":path": path, "user-agent": USER_AGENT, accept: "*/*" };
  return { origin: originOf(target, isSecure), headers, awaitsTrailers: false };
}

function judgeExchange(
  exchanged: Exchanged,
  target: Target,
  isSecure: boolean,
  { statuses }: HttpExpectation,
  trace: Trace,
): Reason {
  if (exchanged.kind === "error") {
    trace.evidence.code = exchanged.code;
    return reasonOfExchangeCode(exchanged.code, "http-protocol");
  }
  const { status, location } = exchanged;
  trace.evidence.httpStatus = status;
  const redirect = location === undefined ? null : URL.parse(location, originOf(target, isSecure));
  // Without the query, which may hold the signature of a download (S1).
  if (redirect !== null) trace.evidence.redirects = [boundedText(`${redirect.origin}${redirect.pathname}`)];
  if (statuses.includes(status)) return "answered";
  if (redirect !== null && isRedirect(status) && !isSameHost(redirect, target, isSecure)) return "http-redirected";
  return statuses.length === 0 && status < SERVER_ERROR_STATUS ? "answered" : "http-status";
}

function isRedirect(status: number): boolean {
  return status >= 300 && status < 400;
}

function isSameHost(redirect: URL, target: Target, isSecure: boolean): boolean {
  return redirect.hostname === URL.parse(originOf(target, isSecure))?.hostname;
}
