/** Parts of sentences: figures, times and what a sample saw. */
import {
  type ChainCertificate,
  NS_PER_MS,
  NS_PER_US,
  type Reason,
  reasonFacts,
  type TimeAnswer,
  tlsAlertName,
} from "@lifeline/measure";
import type { LossCount, Remembered } from "@lifeline/window";
import { endedAt, notBegunAt } from "./certificate-validity.ts";
import type { RttFigures } from "./row.ts";

/** Most characters (UTF-16 units) of a text of evidence: six texts of 256 and the words between them. */
export const MAX_SENTENCE_LENGTH = 2_000;

/** The text, cut at {@link MAX_SENTENCE_LENGTH}; an ellipsis marks the cut. */
export function bounded(sentence: string): string {
  return sentence.length <= MAX_SENTENCE_LENGTH ? sentence : `${sentence.slice(0, MAX_SENTENCE_LENGTH - 1)}…`;
}

/** A wall time as ISO 8601 in UTC, to the second; `?` for a time that a Date cannot hold. */
export function timeOfDay(wallMs: number): string {
  return Math.abs(wallMs) <= 8.64e15 ? `${new Date(wallMs).toISOString().slice(0, 19)}Z` : "?";
}

/** Nanoseconds as milliseconds with three significant digits, such as `1.23 ms`. */
export function inMs(ns: number): string {
  return `${Number((ns / NS_PER_MS).toPrecision(3))} ms`;
}

/** A ratio as a percentage with two significant digits. */
export function inPercent(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(2))} %`;
}

/** Whole seconds. */
export function inSeconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}

/** Such as `round-trip time p50 1.2 ms, p95 2 ms, max 3 ms`; empty without a sample. */
export function rttPhrase({ p50Ns, p95Ns, maxNs }: RttFigures): string {
  if (p50Ns === undefined || p95Ns === undefined || maxNs === undefined) return "";
  return `round-trip time p50 ${inMs(p50Ns)}, p95 ${inMs(p95Ns)}, max ${inMs(maxNs)}`;
}

/** Such as `3 of 60 lost (5 %, 95 % interval 1.7 % to 14 %)`, and how many were late or silent. */
export function lossPhrase({ sent, lost, late, silent, ratio, interval }: LossCount): string {
  const share =
    ratio === undefined || lost === 0
      ? ""
      : ` (${inPercent(ratio)}, 95 % interval ${inPercent(interval[0])} to ${inPercent(interval[1])})`;
  const rest = [late > 0 ? `, ${late} late` : "", silent > 0 ? `, ${silent} sent to a peer that need not answer` : ""];
  return `${lost} of ${sent - silent} lost${share}${rest.join("")}`;
}

/** Such as `this host's clock is 1.5 ms behind the server's, stratum 2, root delay 12 ms`. */
export function timePhrase({ offsetUs, stratum, rootDelayUs }: TimeAnswer): string {
  const side = (offsetUs ?? 0) < 0 ? "ahead of" : "behind";
  const clock =
    offsetUs === undefined ? [] : [`this host's clock is ${inMs(Math.abs(offsetUs) * NS_PER_US)} ${side} the server's`];
  return [...clock, `stratum ${stratum}`, `root delay ${inMs(rootDelayUs * NS_PER_US)}`].join(", ");
}

function strayPhrase(strays: number): string {
  return strays === 1
    ? "one datagram came back that does not answer this request"
    : `${strays} datagrams came back that do not answer this request`;
}

/** Untrusted text in double quotes. Double quotes in it become single, so that it cannot pass for text of the judge. */
export function quoted(text: string): string {
  return `"${text.replaceAll('"', "'")}"`;
}

/** What a sample saw: the reason's meaning, with errno, status, address or certificate where the sample has them. */
export function seenPhrase(reason: Reason, seen: Remembered | undefined): string {
  const meaning = meaningOf(reason, seen);
  if (seen === undefined) return meaning;
  const details = [...detailsOf(reason, seen), ...pauseDetails(seen)];
  return details.length === 0 ? meaning : `${meaning} (${details.join(", ")})`;
}

/** Such as `40 handshake_failure`. */
export function alertPhrase(alert: number): string {
  const name = tlsAlertName(alert);
  return name === undefined ? `${alert}` : `${alert} ${name}`;
}

/** The certificates that are outside their validity where that is the reason; else the server's own. */
function* certificatesPhrases(reason: Reason, chain: readonly ChainCertificate[], wallMs: number): Generator<string> {
  const ended = reason === "tls-expired" ? endedAt(chain, wallMs) : [];
  const notBegun = reason === "tls-not-yet-valid" ? notBegunAt(chain, wallMs) : [];
  for (const one of ended) yield `${certificatePhrase(one)}, ended on ${one.notAfter}`;
  for (const one of notBegun) yield `${certificatePhrase(one)}, begins on ${one.notBefore}`;
  const [leaf] = chain;
  if (leaf === undefined || ended.length > 0 || notBegun.length > 0) return;
  yield `${certificatePhrase(leaf)}, valid until ${leaf.notAfter}`;
}

/** Such as `certificate "CN=a" issued by "CN=b"`. */
export function certificatePhrase({ subject, issuer }: ChainCertificate): string {
  return `certificate ${quoted(subject)} issued by ${quoted(issuer)}`;
}

/**
 * What a reason means, by what the sample shows: a chain that leads to a trusted CA, or the authentication that a
 * proxy wants.
 */
function meaningOf(reason: Reason, seen: Remembered | undefined): string {
  const { code, chain = [] } = seen?.evidence ?? {};
  if (reason === "tls-untrusted" && chain.at(-1)?.anchor === true) {
    return "a certificate of the chain may not be used for this server";
  }
  if (reason !== "proxy-auth-scheme" || code === undefined) return reasonFacts(reason).meaning;
  return `the proxy wants ${code}, which neither Talos (Go net/http) nor Lifeline speaks`;
}

function* detailsOf(reason: Reason, { evidence, endedAtMs }: Remembered): Generator<string> {
  if (evidence.code !== undefined) yield evidence.code;
  if (evidence.tlsAlert !== undefined) yield `TLS alert ${alertPhrase(evidence.tlsAlert)}`;
  if (evidence.proxyStatus !== undefined && reasonFacts(reason).blame === "proxy") {
    yield `the proxy answers ${evidence.proxyStatus}`;
  }
  if (evidence.httpStatus !== undefined) yield `HTTP status ${evidence.httpStatus}`;
  yield* pageDetails(evidence);
  if (evidence.grpcStatus !== undefined) yield `gRPC status ${evidence.grpcStatus}`;
  if (evidence.grpcMessage !== undefined) yield `message ${quoted(evidence.grpcMessage)}`;
  if (evidence.address !== undefined) yield `at ${evidence.address}`;
  if (evidence.lateRttNs !== undefined) yield `after ${inMs(evidence.lateRttNs)}`;
  if (evidence.time !== undefined) yield timePhrase(evidence.time);
  yield* certificatesPhrases(reason, evidence.chain ?? [], endedAtMs);
  if (evidence.strays !== undefined) yield strayPhrase(evidence.strays);
  const redirect = evidence.redirects?.at(-1);
  if (redirect !== undefined) yield `redirected to ${quoted(redirect)}`;
}

function* pageDetails({ bodyBytes, contentType, pageTitle }: Remembered["evidence"]): Generator<string> {
  if (bodyBytes !== undefined) yield `body of ${bodyBytes} bytes`;
  if (contentType !== undefined) yield `type ${quoted(contentType)}`;
  if (pageTitle !== undefined) yield `title ${quoted(pageTitle)}`;
}

function* pauseDetails({ endedAtMs, evidence: { retryAfterMs } }: Remembered): Generator<string> {
  if (retryAfterMs !== undefined) yield `not asked again before ${timeOfDay(endedAtMs + retryAfterMs)}`;
}
