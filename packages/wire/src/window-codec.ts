/** Encodes and decodes windows. decode∘encode = id for every window within the limits. */
import { create } from "@bufbuild/protobuf";
import type { ChainCertificate, DirectionCounts, Evidence, LinkCounters, TimeAnswer } from "@lifeline/measure";
import {
  ADDRESSES_MAX,
  type AddressRun,
  NO_ADDRESSES,
  NO_DIRECTIONS,
  type PhaseSum,
  type Remembered,
  type RttSummary,
  SKETCH_MAX_BUCKETS,
  SKETCH_MAX_INDEX,
  SKETCH_MAX_NS,
  SKETCH_MIN_INDEX,
  TIMED_PHASES,
  type TimedPhase,
  type Window,
} from "@lifeline/window";
import { outcomeClassWords, phaseWords, reasonWords } from "./enum-words.ts";
import {
  EvidenceSchema,
  RememberedSchema,
  WindowSchema,
  type Evidence as WireEvidence,
  type LinkCounters as WireLinkCounters,
  type Remembered as WireRemembered,
  type TimeAnswer as WireTimeAnswer,
  type Window as WireWindow,
} from "./gen/lifeline/v1/window_pb.ts";
import { MAX_EVIDENCE_ENTRIES, MAX_EVIDENCE_LENGTH, MAX_UNIX_MS } from "./limits.ts";
import { integer, list, refuse, sameLength, text } from "./malformed.ts";

/** Largest count of a window: uint32. */
export const MAX_COUNT = 0xffff_ffff;

/** Encodes a window. `targetIndex`: index of its target in the report's list. */
export function windowToWire(window: Window, targetIndex: number): WireWindow {
  const { rtt, phases } = window;
  const timed = phases.size === 0 ? [] : TIMED_PHASES.map((phase) => phases.get(phase));
  return create(WindowSchema, {
    targetIndex,
    startUnixMs: BigInt(Math.round(window.startMs)),
    endUnixMs: BigInt(Math.round(window.endMs)),
    started: window.started,
    missedTicks: window.missedTicks,
    reasons: [...window.counts.keys()].map((reason) => reasonWords.toWire(reason)),
    reasonCounts: [...window.counts.values()],
    ...sketchColumns(rtt.sketch),
    rttMinNs: BigInt(rtt.minNs ?? 0),
    rttMaxNs: BigInt(rtt.maxNs ?? 0),
    rttSumNs: BigInt(rtt.sumNs),
    rttKernelCount: rtt.kernelCount,
    phaseCounts: timed.map((sum) => sum?.count ?? 0),
    phaseSumsNs: timed.map((sum) => BigInt(sum?.sumNs ?? 0)),
    phaseMaxesNs: timed.map((sum) => BigInt(sum?.maxNs ?? 0)),
    lossBursts: window.lossBursts,
    longestLossRun: window.longestLossRun,
    directions: directionColumn(window.directions),
    ...(window.last === undefined ? {} : { last: rememberedToWire(window.last) }),
    ...(window.lastBad === undefined ? {} : { lastBad: rememberedToWire(window.lastBad) }),
    addresses: [...window.addresses].map(([address, { last, lastBad }]) => ({
      address,
      last: rememberedToWire(last),
      ...(lastBad === undefined ? {} : { lastBad: rememberedToWire(lastBad) }),
    })),
  });
}

/** Decodes a window of a report. Refuses values that exceed a limit or contradict each other. */
export function windowFromWire(field: string, wire: WireWindow, targetIds: readonly string[]): Window {
  const targetId = targetIds[wire.targetIndex];
  if (targetId === undefined)
    refuse(`${field}.target_index`, wire.targetIndex, `below ${targetIds.length}, the number of target_ids`);
  const startMs = integer(`${field}.start_unix_ms`, wire.startUnixMs, 0, MAX_UNIX_MS);
  return {
    targetId,
    startMs,
    endMs: integer(`${field}.end_unix_ms`, wire.endUnixMs, startMs, MAX_UNIX_MS),
    started: integer(`${field}.started`, wire.started, 0, MAX_COUNT),
    missedTicks: integer(`${field}.missed_ticks`, wire.missedTicks, 0, MAX_COUNT),
    counts: countsFromWire(field, wire),
    rtt: rttFromWire(field, wire),
    phases: phasesFromWire(field, wire),
    lossBursts: wire.lossBursts,
    longestLossRun: wire.longestLossRun,
    directions: directionsFromWire(field, wire.directions),
    last: wire.last === undefined ? undefined : rememberedFromWire(`${field}.last`, wire.last),
    lastBad: wire.lastBad === undefined ? undefined : rememberedFromWire(`${field}.last_bad`, wire.lastBad),
    addresses: addressesFromWire(`${field}.addresses`, wire.addresses),
  };
}

function addressesFromWire(field: string, wire: WireWindow["addresses"]): Window["addresses"] {
  if (wire.length === 0) return NO_ADDRESSES;
  const runs = new Map<string, AddressRun>();
  for (const [at, { address, last, lastBad }] of list(field, wire, ADDRESSES_MAX).entries()) {
    const known = text(`${field}[${at}].address`, address, 1, MAX_EVIDENCE_LENGTH);
    if (runs.has(known)) refuse(`${field}[${at}].address`, known, "each address once");
    if (last === undefined) refuse(`${field}[${at}].last`, "nothing", "the latest sample");
    runs.set(known, {
      last: rememberedFromWire(`${field}[${at}].last`, last),
      lastBad: lastBad === undefined ? undefined : rememberedFromWire(`${field}[${at}].last_bad`, lastBad),
    });
  }
  return runs;
}

function sketchColumns(sketch: RttSummary["sketch"]): { rttBucketDeltas: number[]; rttBucketCounts: number[] } {
  const indexes = [...sketch.keys()].sort((a, b) => a - b);
  return {
    rttBucketDeltas: indexes.map((index, at) => index - (indexes[at - 1] ?? 0)),
    rttBucketCounts: indexes.map((index) => sketch.get(index) ?? 0),
  };
}

function countsFromWire(field: string, wire: WireWindow): Window["counts"] {
  sameLength(`${field}.reason_counts`, wire.reasonCounts, wire.reasons.length);
  const counts: Map<ReturnType<typeof reasonWords.fromWire>, number> = new Map();
  for (const [at, number] of wire.reasons.entries()) {
    const reason = reasonWords.fromWire(`${field}.reasons[${at}]`, number);
    if (counts.has(reason)) refuse(`${field}.reasons[${at}]`, number, "each reason once");
    counts.set(reason, integer(`${field}.reason_counts[${at}]`, wire.reasonCounts[at] ?? 0, 1, MAX_COUNT));
  }
  return counts;
}

function rttFromWire(field: string, wire: WireWindow): RttSummary {
  const deltas = list(`${field}.rtt_bucket_deltas`, wire.rttBucketDeltas, SKETCH_MAX_BUCKETS);
  sameLength(`${field}.rtt_bucket_counts`, wire.rttBucketCounts, deltas.length);
  const sketch = new Map<number, number>();
  let index = 0;
  let samples = 0;
  for (const [at, delta] of deltas.entries()) {
    if (at > 0 && delta < 1) refuse(`${field}.rtt_bucket_deltas[${at}]`, delta, "a rising index (1 or more)");
    index += delta;
    integer(`${field}.rtt_bucket_deltas[${at}]`, index, SKETCH_MIN_INDEX, SKETCH_MAX_INDEX);
    const count = integer(`${field}.rtt_bucket_counts[${at}]`, wire.rttBucketCounts[at] ?? 0, 1, MAX_COUNT);
    sketch.set(index, count);
    samples += count;
  }
  const minNs = integer(`${field}.rtt_min_ns`, wire.rttMinNs, 0, SKETCH_MAX_NS);
  const maxNs = integer(`${field}.rtt_max_ns`, wire.rttMaxNs, minNs, SKETCH_MAX_NS);
  return {
    sketch,
    minNs: samples === 0 ? undefined : minNs,
    maxNs: samples === 0 ? undefined : maxNs,
    sumNs: integer(`${field}.rtt_sum_ns`, wire.rttSumNs, 0, Number.MAX_SAFE_INTEGER),
    kernelCount: integer(`${field}.rtt_kernel_count`, wire.rttKernelCount, 0, samples),
  };
}

function phasesFromWire(field: string, wire: WireWindow): Window["phases"] {
  const phases = new Map<TimedPhase, PhaseSum>();
  if (wire.phaseCounts.length === 0) return phases;
  sameLength(`${field}.phase_counts`, wire.phaseCounts, TIMED_PHASES.length);
  sameLength(`${field}.phase_sums_ns`, wire.phaseSumsNs, TIMED_PHASES.length);
  sameLength(`${field}.phase_maxes_ns`, wire.phaseMaxesNs, TIMED_PHASES.length);
  for (const [at, phase] of TIMED_PHASES.entries()) {
    const count = wire.phaseCounts[at] ?? 0;
    if (count === 0) continue;
    const sumNs = integer(`${field}.phase_sums_ns[${at}]`, wire.phaseSumsNs[at] ?? 0n, 0, Number.MAX_SAFE_INTEGER);
    const maxNs = integer(`${field}.phase_maxes_ns[${at}]`, wire.phaseMaxesNs[at] ?? 0n, 0, sumNs);
    phases.set(phase, { count, sumNs, maxNs });
  }
  return phases;
}

/** Counts by direction in the order of the column. */
const DIRECTION_FIELDS = [
  "forwardSent",
  "forwardLost",
  "returnSent",
  "returnLost",
  "duplicates",
  "reordered",
] as const satisfies readonly (keyof DirectionCounts)[];

function directionColumn(directions: DirectionCounts): number[] {
  const column = DIRECTION_FIELDS.map((name) => directions[name]);
  return column.every((count) => count === 0) ? [] : column;
}

function directionsFromWire(field: string, column: readonly number[]): DirectionCounts {
  if (column.length === 0) return NO_DIRECTIONS;
  sameLength(`${field}.directions`, column, DIRECTION_FIELDS.length);
  const [forwardSent = 0, forwardLost = 0, returnSent = 0, returnLost = 0, duplicates = 0, reordered = 0] = column;
  integer(`${field}.directions[1]`, forwardLost, 0, forwardSent);
  integer(`${field}.directions[3]`, returnLost, 0, returnSent);
  return { forwardSent, forwardLost, returnSent, returnLost, duplicates, reordered };
}

function rememberedToWire(remembered: Remembered): WireRemembered {
  const { run } = remembered;
  return create(RememberedSchema, {
    endedUnixMs: BigInt(Math.round(remembered.endedAtMs)),
    reason: reasonWords.toWire(remembered.reason),
    phase: phaseWords.toWire(remembered.phase),
    runOutcomeClass: outcomeClassWords.toWire(run.outcomeClass),
    runLength: run.length,
    runStartedUnixMs: BigInt(Math.round(run.startedAtMs)),
    lossRun: run.lossRun,
    runOrdinal: BigInt(run.ordinal),
    runWatched: run.watched,
    stateLength: run.stateLength === run.length ? 0 : run.stateLength,
    stateStartedUnixMs: run.stateStartedAtMs === run.startedAtMs ? 0n : BigInt(Math.round(run.stateStartedAtMs)),
    evidence: evidenceToWire(remembered.evidence),
  });
}

function rememberedFromWire(field: string, wire: WireRemembered): Remembered {
  const length = integer(`${field}.run_length`, wire.runLength, 1, MAX_COUNT);
  const startedAtMs = integer(`${field}.run_started_unix_ms`, wire.runStartedUnixMs, 0, MAX_UNIX_MS);
  const stateStartedAtMs = integer(`${field}.state_started_unix_ms`, wire.stateStartedUnixMs, 0, MAX_UNIX_MS);
  return {
    endedAtMs: integer(`${field}.ended_unix_ms`, wire.endedUnixMs, 0, MAX_UNIX_MS),
    reason: reasonWords.fromWire(`${field}.reason`, wire.reason),
    phase: phaseWords.fromWire(`${field}.phase`, wire.phase),
    run: {
      ordinal: integer(`${field}.run_ordinal`, wire.runOrdinal, 0, Number.MAX_SAFE_INTEGER),
      outcomeClass: outcomeClassWords.fromWire(`${field}.run_outcome_class`, wire.runOutcomeClass),
      length,
      startedAtMs,
      lossRun: wire.lossRun,
      watched: wire.runWatched,
      stateLength: integer(`${field}.state_length`, wire.stateLength, 0, length) || length,
      stateStartedAtMs: stateStartedAtMs || startedAtMs,
    },
    evidence: wire.evidence === undefined ? {} : evidenceFromWire(`${field}.evidence`, wire.evidence),
  };
}

function evidenceToWire(evidence: Evidence): WireEvidence {
  const { answers, addresses, chain, redirects, link, lateRttNs, time, ...plain } = evidence;
  return create(EvidenceSchema, {
    ...plain,
    ...(link === undefined ? {} : { link: linkToWire(link) }),
    ...(lateRttNs === undefined ? {} : { lateRttNs: BigInt(Math.round(lateRttNs)) }),
    ...(time === undefined ? {} : { time: timeToWire(time) }),
    answers: [...(answers ?? [])],
    addresses: [...(addresses ?? [])],
    chain: (chain ?? []).map((certificate) => ({ ...certificate })),
    redirects: [...(redirects ?? [])],
  });
}

function evidenceFromWire(field: string, wire: WireEvidence): Evidence {
  const word = (name: string, value: string) => text(`${field}.${name}`, value, 0, MAX_EVIDENCE_LENGTH);
  const wordList = (name: string, values: readonly string[]) =>
    list(`${field}.${name}`, values, MAX_EVIDENCE_ENTRIES).map((value, at) => word(`${name}[${at}]`, value));
  const chain = list(`${field}.chain`, wire.chain, MAX_EVIDENCE_ENTRIES).map(
    ({ subject, issuer, notBefore, notAfter, sha256, anchor }, at): ChainCertificate => ({
      subject: word(`chain[${at}].subject`, subject),
      issuer: word(`chain[${at}].issuer`, issuer),
      notBefore: word(`chain[${at}].not_before`, notBefore),
      notAfter: word(`chain[${at}].not_after`, notAfter),
      sha256: word(`chain[${at}].sha256`, sha256),
      anchor,
    }),
  );
  return {
    ...(wire.address === "" ? {} : { address: word("address", wire.address) }),
    ...(wire.answers.length === 0 ? {} : { answers: wordList("answers", wire.answers) }),
    ...(wire.code === "" ? {} : { code: word("code", wire.code) }),
    ...(wire.tlsVersion === "" ? {} : { tlsVersion: word("tls_version", wire.tlsVersion) }),
    ...(wire.alpn === "" ? {} : { alpn: word("alpn", wire.alpn) }),
    ...(wire.tlsAlert === undefined ? {} : { tlsAlert: wire.tlsAlert }),
    ...(chain.length === 0 ? {} : { chain }),
    ...(wire.redirects.length === 0 ? {} : { redirects: wordList("redirects", wire.redirects) }),
    ...answerFromWire(word, wire),
    ...(wire.synRetransmits === undefined ? {} : { synRetransmits: wire.synRetransmits }),
    ...(wire.lateRttNs === undefined
      ? {}
      : { lateRttNs: integer(`${field}.late_rtt_ns`, wire.lateRttNs, 0, Number.MAX_SAFE_INTEGER) }),
    ...(wire.addresses.length === 0 ? {} : { addresses: wordList("addresses", wire.addresses) }),
    ...(wire.addressCount === undefined ? {} : { addressCount: wire.addressCount }),
    ...(wire.strays === undefined ? {} : { strays: wire.strays }),
    ...(wire.localAddress === "" ? {} : { localAddress: word("local_address", wire.localAddress) }),
    ...(wire.proxy === "" ? {} : { proxy: word("proxy", wire.proxy) }),
    ...(wire.proxyStatus === undefined ? {} : { proxyStatus: wire.proxyStatus }),
    ...(wire.pathMtuBytes === undefined ? {} : { pathMtuBytes: wire.pathMtuBytes }),
    ...partsFromWire(field, wire),
  };
}

/** The parts of evidence that are messages of their own. */
function partsFromWire(field: string, wire: WireEvidence): Pick<Evidence, "link" | "time"> {
  return {
    ...(wire.link === undefined ? {} : { link: linkFromWire(`${field}.link`, wire.link) }),
    ...(wire.time === undefined ? {} : { time: timeFromWire(`${field}.time`, wire.time) }),
  };
}

function timeToWire({ offsetUs, stratum, rootDelayUs, rootDispersionUs }: TimeAnswer) {
  return {
    stratum,
    rootDelayUs: BigInt(rootDelayUs),
    rootDispersionUs: BigInt(rootDispersionUs),
    ...(offsetUs === undefined ? {} : { offsetUs: BigInt(offsetUs) }),
  };
}

/** Strata are one byte (RFC 5905 §7.3). */
const STRATUM_MAX = 255;

function timeFromWire(field: string, wire: WireTimeAnswer): TimeAnswer {
  const max = Number.MAX_SAFE_INTEGER;
  return {
    stratum: integer(`${field}.stratum`, wire.stratum, 0, STRATUM_MAX),
    rootDelayUs: integer(`${field}.root_delay_us`, wire.rootDelayUs, 0, max),
    rootDispersionUs: integer(`${field}.root_dispersion_us`, wire.rootDispersionUs, 0, max),
    ...(wire.offsetUs === undefined ? {} : { offsetUs: integer(`${field}.offset_us`, wire.offsetUs, -max, max) }),
  };
}

/** What HTTP and gRPC answered. */
function answerFromWire(word: (name: string, value: string) => string, wire: WireEvidence): Evidence {
  return {
    ...(wire.httpStatus === undefined ? {} : { httpStatus: wire.httpStatus }),
    ...(wire.bodyBytes === undefined ? {} : { bodyBytes: wire.bodyBytes }),
    ...(wire.contentType === "" ? {} : { contentType: word("content_type", wire.contentType) }),
    ...(wire.pageTitle === "" ? {} : { pageTitle: word("page_title", wire.pageTitle) }),
    ...(wire.retryAfterMs === undefined ? {} : { retryAfterMs: wire.retryAfterMs }),
    ...(wire.grpcStatus === undefined ? {} : { grpcStatus: wire.grpcStatus }),
    ...(wire.grpcMessage === "" ? {} : { grpcMessage: word("grpc_message", wire.grpcMessage) }),
  };
}

function linkToWire({ name, mtuBytes, ...counters }: LinkCounters) {
  return {
    name,
    mtuBytes,
    rxBytes: BigInt(counters.rxBytes),
    txBytes: BigInt(counters.txBytes),
    rxFrozenMs: BigInt(Math.round(counters.rxFrozenMs)),
    txPacketsSince: BigInt(counters.txPacketsSince),
  };
}

function linkFromWire(field: string, wire: WireLinkCounters): LinkCounters {
  const counter = (name: string, value: bigint) => integer(`${field}.${name}`, value, 0, Number.MAX_SAFE_INTEGER);
  return {
    name: text(`${field}.name`, wire.name, 0, MAX_EVIDENCE_LENGTH),
    rxBytes: counter("rx_bytes", wire.rxBytes),
    txBytes: counter("tx_bytes", wire.txBytes),
    rxFrozenMs: counter("rx_frozen_ms", wire.rxFrozenMs),
    txPacketsSince: counter("tx_packets_since", wire.txPacketsSince),
    mtuBytes: wire.mtuBytes,
  };
}
