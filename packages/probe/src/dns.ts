/**
 * DNS: the resolver at host:port answers a query for a name's A or AAAA records, over UDP or TCP.
 *
 * 1. This package makes the query, not c-ares. So its id, the resolver's RCODE and truncation are known, and one
 *    attempt is one query (M1).
 * 2. The answers in the evidence are those to the query. The addresses of the resolver's own name are removed: they
 *    show no drift.
 * 3. The resolver is judged by whether it answers. That the name does not exist, or has no such record, is an answer.
 *    A resolver that refuses or fails has a reason of its own and a round trip. Silence is `timeout`.
 * 4. The query is for the name that the node would query first: with a search domain where its resolv.conf has one.
 */
import type { Outcome } from "@lifeline/measure";
import { sortedAddresses } from "./address.ts";
import { closeChannel, openChannel } from "./channel.ts";
import { type Arrival, type ArrivalMatch, type DatagramEnd, exchangeDatagram } from "./datagram.ts";
import { isExpired } from "./deadline.ts";
import { type DnsAnswer, decodeAnswer, encodeQuery } from "./dns-message.ts";
import { exchangeDnsStream } from "./dns-stream.ts";
import { reasonOfErrno } from "./errno.ts";
import { locate } from "./locate.ts";
import { ANSWERS_MAX } from "./name-resolver.ts";
import { emptyTrace, noteLateness, outcome, type ProbeResult, resultOf, type Trace } from "./probe-result.ts";
import type { ProbeProtocol } from "./protocol.ts";
import { judgeDatagramError, noteArrival } from "./udp.ts";

/** Query ids are 16 bits (RFC 1035 §4.1.1). */
const ID_COUNT = 0x1_0000;

/**
 * RCODEs by name (RFC 1035 §4.1.1, IANA DNS RCODEs) and their reasons. All others are failures of the resolver as well.
 */
const RCODES = [
  { name: "NOERROR", reason: "answered" },
  { name: "FORMERR", reason: "answer-servfail" },
  { name: "SERVFAIL", reason: "answer-servfail" },
  { name: "NXDOMAIN", reason: "answered" },
  { name: "NOTIMP", reason: "answer-servfail" },
  { name: "REFUSED", reason: "answer-refused" },
] as const;

/** Answered by records, by none, by NXDOMAIN, or by an answer too long for UDP. */
export const probeDns: ProbeProtocol<"dns"> = async (target, { query, transport, type }, world) => {
  const trace = emptyTrace();
  const message = encodeQuery(Math.floor(world.random() * ID_COUNT), world.names.firstQueried(query), type);
  if (message === undefined) {
    trace.evidence.code = "EBADNAME";
    return resultOf(trace, outcome("agent-resource", "plan"));
  }
  world.noteStep?.("dns", `${type} ${world.names.firstQueried(query)} at ${target.host} over ${transport}`);
  const exchange = transport === "udp" ? queryByDatagram : queryByStream;
  const result = await exchange(target, message, world, trace);
  const { code = result.outcome.reason, answers = [] } = result.evidence;
  world.noteStep?.("dns", `${code}: ${answers.join(", ") || "no addresses"}`);
  return result;
};

type Exchange = (
  target: Parameters<typeof locate>[1],
  query: Uint8Array,
  world: Parameters<typeof locate>[0],
  trace: Trace,
) => Promise<ProbeResult>;

const queryByDatagram: Exchange = async (target, query, world, trace) => {
  const located = await locate(world, target, trace);
  if (located.kind === "ended") return resultOf(trace, located.outcome);
  trace.evidence.address = located.address;
  delete trace.evidence.answers;
  const { end, strays, localAddress } = await exchangeDatagram(
    world,
    { ...target, address: located.address },
    query,
    (arrival) => readAnswer(query, arrival),
  );
  if (localAddress !== undefined) trace.evidence.localAddress = localAddress;
  if (strays > 0) trace.evidence.strays = strays;
  return resultOf(trace, judgeDatagram(end, trace));
};

function readAnswer(query: Uint8Array, { bytes }: Arrival): ArrivalMatch<DnsAnswer> {
  const answer = decodeAnswer(bytes, query);
  return answer.kind === "other" ? { kind: "stray" } : { kind: "answer", value: answer };
}

function judgeDatagram(end: DatagramEnd<DnsAnswer>, trace: Trace): Outcome {
  if (end.kind === "expired") return outcome(end.stalled ? "stalled" : "timeout", "first-byte");
  if (end.kind === "error") return judgeDatagramError(end, trace);
  return noteArrival(end, trace) ?? judgeAnswer(end.value, trace);
}

const queryByStream: Exchange = async (target, query, world, trace) => {
  const channel = await openChannel(world, target, { trust: undefined, alpn: [] }, trace);
  delete trace.evidence.answers;
  if (channel.kind === "ended") return resultOf(trace, channel.outcome);
  const { socket, deadline } = channel;
  try {
    const startedNs = deadline.elapsedNs();
    const exchanged = await deadline.race(exchangeDnsStream(socket, query));
    if (isExpired(exchanged)) {
      return resultOf(trace, outcome(exchanged.stalled ? "stalled" : "handshake-timeout", "first-byte"));
    }
    if (exchanged.kind === "error") {
      trace.evidence.code = exchanged.code;
      return resultOf(trace, outcome(reasonOfErrno(exchanged.code, "stream"), "first-byte"));
    }
    const tookNs = deadline.elapsedNs();
    const stalled = noteLateness(deadline.lateness(tookNs), tookNs, "first-byte", trace);
    if (stalled !== undefined) return resultOf(trace, stalled);
    trace.phases.firstByteNs = deadline.elapsedNs() - startedNs;
    return resultOf(trace, judgeAnswer(decodeAnswer(exchanged.message, query), trace));
  } finally {
    closeChannel(channel);
  }
};

function judgeAnswer(answer: DnsAnswer, trace: Trace): Outcome {
  // Over TCP only this query was sent, so an answer to another one is malformed too.
  if (answer.kind !== "answer") return outcome("answer-malformed", "first-byte");
  const { name, reason } = RCODES[answer.rcode] ?? { name: `RCODE${answer.rcode}`, reason: "answer-servfail" };
  if (name !== "NOERROR") trace.evidence.code = name;
  if (reason !== "answered") return outcome(reason, "first-byte");
  if (answer.truncated) trace.evidence.code = "TC";
  // Which addresses are left in a truncated answer is chance. It must not look like a change of the name.
  if (answer.addresses.length > 0 && !answer.truncated)
    trace.evidence.answers = sortedAddresses(answer.addresses).slice(0, ANSWERS_MAX);
  return outcome("answered", "first-byte");
}
