/** The result of an HTTP exchange of either version. The callers judge it. */
import type { Reason } from "@lifeline/measure";
import type { NoteStep } from "./attempt-steps.ts";
import type { BodySample } from "./body-sample.ts";
import type { Trace } from "./probe-result.ts";
import { originText, redirectOrigin } from "./redirect.ts";
import { alertOf } from "./tls-code.ts";

/** Most bytes of headers that are read: Node's default for HTTP/1.1, set explicitly for both versions. */
export const HEADERS_MAX_BYTES = 16_384;

/** How Lifeline names itself to HTTP and gRPC servers, and to proxies. */
export const USER_AGENT = "lifeline-probe/0.1";

/** Headers of a response or its trailers by lower-case name, as Node gives them. */
export type ResponseHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** A response, whose body is not kept. */
export interface HttpResponse {
  readonly kind: "response";
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** Empty where none were awaited, or none came. */
  readonly trailers: ResponseHeaders;
  /** The beginning of the body; undefined: it was not read. */
  readonly body: BodySample | undefined;
}

/** A response, or the code of the error. */
export type Exchanged = HttpResponse | { readonly kind: "error"; readonly code: string };

/** A header as text; undefined: it is absent or occurs several times where it must not. */
export function headerOf(headers: ResponseHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : undefined;
}

/** Notes the status of a response, and the origin of its redirect. `base`: the origin of the request. */
export function noteResponse(
  note: NoteStep | undefined,
  { status, headers }: Pick<HttpResponse, "status" | "headers">,
  base: string,
): void {
  if (note === undefined) return;
  const location = status >= 300 && status < 400 ? headerOf(headers, "location") : undefined;
  const origin = location === undefined ? null : redirectOrigin(location, base);
  note("http", `status ${status}${origin === null ? "" : `, redirects to ${originText(origin)}`}`);
}

/** Called when the request has been handed to the kernel. */
export type Sent = () => void;

/** Codes of a connection that ended during the exchange. Every other code means a peer that speaks another protocol. */
const BROKEN: readonly string[] = ["ECONNRESET", "EPIPE", "ECONNABORTED", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH"];

/**
 * The reason for a failed exchange, whose code becomes evidence: `reset`; an alert, such as that of TLS 1.3 for a
 * missing client certificate, which comes after the handshake; or `protocol` for a peer that speaks another protocol.
 */
export function exchangeFault(code: string, protocol: Reason, trace: Trace): Reason {
  trace.evidence.code = code;
  if (BROKEN.includes(code)) return "reset";
  const alert = alertOf(code);
  if (alert === undefined) return protocol;
  trace.evidence.tlsAlert = alert;
  return "tls-alert";
}
