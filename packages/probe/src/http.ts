/**
 * HTTP/1.1 and HTTP/2: the host answers in the required version with an expected status.
 *
 * 1. Redirects are recorded and never followed (M1). One that leads to a host that no document names is a captive
 *    portal or a block page.
 * 2. Of a body only the beginning is read, and only where an empty one is expected. Its length, media type and title
 *    are kept. Headers are bounded by `HEADERS_MAX_BYTES`.
 */
import { endpointName, type HttpExpectation, type Reason, type Target } from "@lifeline/measure";
import { pathOnly } from "./attempt-steps.ts";
import { closeChannel, openChannel } from "./channel.ts";
import { isExpired } from "./deadline.ts";
import {
  type Exchanged,
  exchangeFault,
  type HttpResponse,
  headerOf,
  noteResponse,
  type ResponseHeaders,
  USER_AGENT,
} from "./exchange.ts";
import { exchangeHttp1 } from "./http1-exchange.ts";
import { exchangeHttp2, type Http2Request } from "./http2-exchange.ts";
import { boundedText, emptyTrace, noteLateness, outcome, resultOf, type Trace } from "./probe-result.ts";
import type { OptionsOf, ProbeProtocol } from "./protocol.ts";
import { isDocumented, originText, redirectOrigin } from "./redirect.ts";
import { retryAfterMs } from "./retry-after.ts";

/** Statuses from here on are errors (RFC 9110 §15.5). They are accepted only when they are expected explicitly. */
const ERROR_STATUS = 400;

/** Too Many Requests (RFC 6585 §4). */
const TOO_MANY_REQUESTS = 429;

/** Statuses by which a proxy reports the service behind it (RFC 9110 §15.6.3 to §15.6.5). */
const UPSTREAM_STATUSES: readonly number[] = [502, 503, 504];

/**
 * HTTP/1.1 is offered beside HTTP/2: a server without HTTP/2 then chooses it, where it would otherwise close the
 * connection.
 */
const ALPN = { "1.1": ["http/1.1"], "2": ["h2", "http/1.1"] } as const;

/** Answered by an expected status from the target's own host in the required version. */
export const probeHttp: ProbeProtocol<"http"> = async (target, options, world) => {
  const { trust, expect } = options;
  const trace = emptyTrace();
  const channel = await openChannel(world, target, { trust, alpn: ALPN[expect.version] }, trace);
  if (channel.kind === "ended") return resultOf(trace, channel.outcome);
  const { socket, deadline } = channel;
  try {
    if (trust !== undefined && !agreesOn(expect.version, trace.evidence.alpn)) {
      return resultOf(trace, outcome("http-protocol", "tls"));
    }
    const startedNs = deadline.elapsedNs();
    const origin = originOf(target, trust !== undefined);
    world.noteStep?.("http", `HTTP/${expect.version} ${expect.method} ${origin}${pathOnly(expect.path)}`);
    const sent = () => {
      trace.phases.requestNs = deadline.elapsedNs() - startedNs;
    };
    const exchanged = await deadline.race(
      expect.version === "2"
        ? exchangeHttp2(socket, http2Request(target, trust !== undefined, expect), sent)
        : exchangeHttp1(socket, http1Request(target, trust !== undefined, expect), sent),
    );
    if (isExpired(exchanged)) {
      world.noteStep?.("http", "no answer before the threshold");
      return resultOf(trace, outcome(exchanged.stalled ? "stalled" : "handshake-timeout", "first-byte"));
    }
    if (exchanged.kind === "error") world.noteStep?.("http", `no answer: ${exchanged.code}`);
    else {
      noteResponse(world.noteStep, exchanged, origin);
      const tookNs = deadline.elapsedNs();
      const stalled = noteLateness(deadline.lateness(tookNs), tookNs, "first-byte", trace);
      if (stalled !== undefined) return resultOf(trace, stalled);
      trace.phases.firstByteNs = deadline.elapsedNs() - startedNs - (trace.phases.requestNs ?? 0);
    }
    const reason = judgeExchange(exchanged, target, trust !== undefined, options, trace, world.clock.wallMs());
    return resultOf(trace, outcome(reason, "first-byte"));
  } finally {
    closeChannel(channel);
  }
};

/** A server without ALPN speaks HTTP/1.1 (RFC 9113 §3.2). */
function agreesOn(version: HttpExpectation["version"], alpn: string | undefined): boolean {
  return version === "2" ? alpn === "h2" : alpn !== "h2";
}

/** `:authority` and `Host` leave out the scheme's own port (RFC 9110 §4.2.3). */
export function authorityOf({ host, port }: Pick<Target, "host" | "port">, isSecure: boolean): string {
  return port === (isSecure ? 443 : 80) ? endpointName(host, port).replace(/:\d+$/, "") : endpointName(host, port);
}

/** The origin of a target, as a URL. */
export function originOf(target: Pick<Target, "host" | "port">, isSecure: boolean): string {
  return `${isSecure ? "https" : "http"}://${authorityOf(target, isSecure)}`;
}

function http1Request(target: Target, isSecure: boolean, { method, path, body }: HttpExpectation) {
  const authority = authorityOf(target, isSecure);
  return { method, path, authority, userAgent: USER_AGENT, readsBody: body !== undefined };
}

function http2Request(target: Target, isSecure: boolean, { method, path, body }: HttpExpectation): Http2Request {
  const headers = { ":method": method, ":path": path, "user-agent": USER_AGENT, accept: "*/*" };
  return { origin: originOf(target, isSecure), headers, reads: body === undefined ? "headers" : "body" };
}

function judgeExchange(
  exchanged: Exchanged,
  target: Target,
  isSecure: boolean,
  { expect, documentedHosts = [] }: OptionsOf<"http">,
  trace: Trace,
  wallMs: number,
): Reason {
  if (exchanged.kind === "error") {
    return exchangeFault(exchanged.code, "http-protocol", trace);
  }
  const { status, headers } = exchanged;
  trace.evidence.httpStatus = status;
  if (isRateLimited(exchanged, trace, wallMs)) return "rate-limited";
  const location = isRedirect(status) ? headerOf(headers, "location") : undefined;
  const redirect = location === undefined ? null : redirectOrigin(location, originOf(target, isSecure));
  if (redirect !== null) trace.evidence.redirects = [originText(redirect)];
  if (redirect !== null && !isSameHost(redirect, target, isSecure) && !isDocumented(redirect, documentedHosts)) {
    return "http-redirected";
  }
  if (!isAccepted(status, expect.statuses)) return isUpstreamStatus(status) ? "upstream-down" : "http-status";
  return isPage(exchanged, trace) ? "unexpected-page" : "answered";
}

/** Whether the endpoint answers that it is asked too often. Then the trace holds its pause. */
export function isRateLimited({ status, headers }: HttpResponse, trace: Trace, wallMs: number): boolean {
  if (!isRateLimitedStatus(status)) return false;
  trace.evidence.retryAfterMs = pauseOf(headers, wallMs);
  return true;
}

/** Whether a status says that the endpoint is asked too often. */
export function isRateLimitedStatus(status: number): boolean {
  return status === TOO_MANY_REQUESTS;
}

/** The pause that an answer asks for, ms. */
export function pauseOf(headers: ResponseHeaders, wallMs: number): number {
  return retryAfterMs({ retryAfter: headerOf(headers, "retry-after"), date: headerOf(headers, "date") }, wallMs);
}

/** Whether a status is that of a proxy whose server is down. */
export function isUpstreamStatus(status: number): boolean {
  return UPSTREAM_STATUSES.includes(status);
}

function isAccepted(status: number, statuses: readonly number[]): boolean {
  return statuses.length === 0 ? status < ERROR_STATUS : statuses.includes(status);
}

/** Whether a body was read where none is expected. Then the trace describes it. */
function isPage({ headers, body }: HttpResponse, trace: Trace): boolean {
  if (body === undefined || body.bytes === 0) return false;
  const length = headerOf(headers, "content-encoding") === undefined ? headerOf(headers, "content-length") : undefined;
  trace.evidence.bodyBytes = /^\d{1,9}$/.test(length ?? "") ? Number(length) : body.bytes;
  const type = headerOf(headers, "content-type")?.split(";", 1)[0]?.trim();
  if (type !== undefined && type !== "") trace.evidence.contentType = boundedText(type);
  const { title } = body;
  if (title !== undefined) trace.evidence.pageTitle = boundedText(title);
  return true;
}

function isRedirect(status: number): boolean {
  return status >= 300 && status < 400;
}

function isSameHost(redirect: URL, target: Target, isSecure: boolean): boolean {
  return redirect.hostname === URL.parse(originOf(target, isSecure))?.hostname;
}
