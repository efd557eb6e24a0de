/**
 * A total order of remembered samples by their content. It decides between samples that are otherwise equal, so that
 * the order of merging does not matter (W1).
 */
import type { ChainCertificate, Evidence, LinkCounters, TimeAnswer } from "@lifeline/measure";
import type { Run } from "./outcome-run.ts";
import type { Remembered } from "./remembered.ts";

/** One function per field, because V8 looks up a variable property name at every read. */
type Readers<T> = Readonly<Record<keyof T, (of: T) => unknown>>;

const EVIDENCE: Readers<Evidence> = {
  address: (of) => of.address,
  answers: (of) => of.answers,
  addresses: (of) => of.addresses,
  addressCount: (of) => of.addressCount,
  code: (of) => of.code,
  tlsVersion: (of) => of.tlsVersion,
  alpn: (of) => of.alpn,
  tlsAlert: (of) => of.tlsAlert,
  chain: (of) => of.chain,
  httpStatus: (of) => of.httpStatus,
  redirects: (of) => of.redirects,
  bodyBytes: (of) => of.bodyBytes,
  contentType: (of) => of.contentType,
  pageTitle: (of) => of.pageTitle,
  retryAfterMs: (of) => of.retryAfterMs,
  grpcStatus: (of) => of.grpcStatus,
  grpcMessage: (of) => of.grpcMessage,
  synRetransmits: (of) => of.synRetransmits,
  lateRttNs: (of) => of.lateRttNs,
  strays: (of) => of.strays,
  localAddress: (of) => of.localAddress,
  proxy: (of) => of.proxy,
  proxyStatus: (of) => of.proxyStatus,
  pathMtuBytes: (of) => of.pathMtuBytes,
  link: (of) => of.link,
  time: (of) => of.time,
};
const CERTIFICATE: Readers<ChainCertificate> = {
  subject: (of) => of.subject,
  issuer: (of) => of.issuer,
  notBefore: (of) => of.notBefore,
  notAfter: (of) => of.notAfter,
  sha256: (of) => of.sha256,
  anchor: (of) => of.anchor,
};
const LINK: Readers<LinkCounters> = {
  name: (of) => of.name,
  rxBytes: (of) => of.rxBytes,
  txBytes: (of) => of.txBytes,
  rxFrozenMs: (of) => of.rxFrozenMs,
  txPacketsSince: (of) => of.txPacketsSince,
  mtuBytes: (of) => of.mtuBytes,
};
const TIME: Readers<Required<TimeAnswer>> = {
  offsetUs: (of) => of.offsetUs,
  stratum: (of) => of.stratum,
  rootDelayUs: (of) => of.rootDelayUs,
  rootDispersionUs: (of) => of.rootDispersionUs,
};
const RUN: Readers<Run> = {
  ordinal: (of) => of.ordinal,
  outcomeClass: (of) => of.outcomeClass,
  length: (of) => of.length,
  startedAtMs: (of) => of.startedAtMs,
  lossRun: (of) => of.lossRun,
  watched: (of) => of.watched,
  stateLength: (of) => of.stateLength,
  stateStartedAtMs: (of) => of.stateStartedAtMs,
};
const REMEMBERED: Readers<Remembered> = {
  endedAtMs: (of) => of.endedAtMs,
  reason: (of) => of.reason,
  phase: (of) => of.phase,
  run: (of) => of.run,
  evidence: (of) => of.evidence,
};

type Compare<T> = (a: T, b: T) => number;

/** Compares field by field. `inner` compares the fields that are neither text nor numbers. */
function byFields<T>(readers: Readers<T>, inner: { readonly [K in keyof T]?: Compare<never> } = {}): Compare<T> {
  const fields = Object.entries(readers).map(([name, read]) => ({
    read: read as (of: T) => unknown,
    compare: defined((inner as Readonly<Record<string, Compare<unknown>>>)[name] ?? plain),
  }));
  return (a, b) => {
    for (const { read, compare } of fields) {
      const found = compare(read(a), read(b));
      if (found !== 0) return found;
    }
    return 0;
  };
}

/** Puts undefined first. */
function defined<T>(compare: Compare<T>): Compare<T | undefined> {
  return (a, b) => {
    if (a === b) return 0;
    if (a === undefined || b === undefined) return a === undefined ? -1 : 1;
    return compare(a, b);
  };
}

function plain(a: unknown, b: unknown): number {
  return (a as string | number) < (b as string | number) ? -1 : 1;
}

function byItems<T>(compare: Compare<T>): Compare<readonly T[]> {
  const each = defined(compare);
  return (a, b) => {
    for (const [at, item] of a.entries()) {
      const found = each(item, b[at]);
      if (found !== 0) return found;
    }
    return a.length - b.length;
  };
}

const texts = byItems<string>(plain);
const byEvidence = byFields(EVIDENCE, {
  answers: texts,
  addresses: texts,
  redirects: texts,
  chain: byItems(byFields(CERTIFICATE)),
  link: byFields(LINK),
  time: byFields(TIME),
});

/**
 * Negative: `a` comes first; 0: equal contents; positive: `b` comes first. Total. Allocates nothing, because a node
 * that sends thousands of equal samples causes a comparison for each.
 */
export const compareContent: (a: Remembered, b: Remembered) => number = byFields(REMEMBERED, {
  run: byFields(RUN),
  evidence: byEvidence,
});
