/** For tests: targets, windows and entries in few words. Not part of the package. */
import type { Obligation, Place, Requirement, ResolvedRow, Service, SiteFacts } from "@lifeline/catalogue";
import { type Evidence, type ProbeOptions, type Reason, type Sample, type Target, targetId } from "@lifeline/measure";
import {
  emptyWindow,
  followRun,
  mergeWindows,
  type Remembered,
  type Run,
  type Window,
  windowOf,
} from "@lifeline/window";
import type { CorrelationContext } from "../correlate/correlation-context.ts";
import type { Entry } from "../entry.ts";
import { type Judgement, judgeNode } from "../judge-node.ts";
import type { RowVerdict } from "../row.ts";
import type { TargetVerdict } from "../target-verdict.ts";
import { DEFAULT_THRESHOLDS } from "../thresholds.ts";

/** The moment of every judgement, ms since the epoch. */
export const NOW_MS = Date.UTC(2026, 7, 1, 12, 0, 0);

const HERE: Place = { kind: "hosts", hosts: ["omni.test"] };

export function requirementOf(id: string, place: Place = HERE, obligation: Obligation = "required"): Requirement {
  return {
    id,
    purpose: "test",
    source: { document: "d", version: "v1", section: "s" },
    from: "talos-node",
    deployments: ["on-prem"],
    obligation,
    protocol: "tcp",
    port: 443,
    place,
    published: null,
    effective: { value: "omni.test", evidence: ["test"] },
    probes: [],
  };
}

export const TCP: ProbeOptions = { probe: "tcp", acceptReset: false };
export const TLS: ProbeOptions = { probe: "tls", trust: { kind: "public" }, alpn: [], alpnRequired: false };
/** TLS to a host of the deployment's private CA. */
export const PRIVATE_TLS: ProbeOptions = { ...TLS, trust: { kind: "private", caPem: "" } };
export const UDP: ProbeOptions = { probe: "udp", payloadBytes: 16, expectRefusal: false };
export const STAMP: ProbeOptions = { probe: "stamp", authenticated: false };
export const MTU: ProbeOptions = { probe: "mtu", authenticated: false, requiredBytes: 1_360 };
export const DNS: ProbeOptions = { probe: "dns", query: "omni.test", transport: "udp", type: "A" };
export const LINK: ProbeOptions = { probe: "link" };
/** A datagram to a closed port in the tunnel. */
export const closedPort = (payloadBytes: number): ProbeOptions => ({ probe: "udp", payloadBytes, expectRefusal: true });

/** A target at omni.test:443 over IPv4, probed once a second. */
export function targetOf(options: ProbeOptions, more: Partial<Target> = {}): Target {
  const base = {
    requirementId: "r",
    host: "omni.test",
    port: 443,
    family: 4 as const,
    cadenceMs: 1_000,
    timeoutMs: 950,
  };
  const whole = { ...base, options, ...more };
  return { id: targetId(whole), ...whole };
}

export function rowOf(targets: readonly Target[], place: Place = HERE, id = "r"): ResolvedRow {
  return {
    requirement: requirementOf(id, place),
    kind: "targets",
    targets,
    skipped: [],
    notes: [],
    comparisonIds: [],
    thirdPartyIds: [],
    alternatives: [],
  };
}

/** Samples at the target's cadence, the last ending `endedAgoMs` before now. */
function samplesOf(target: Target, reasons: readonly Reason[], endedAgoMs: number, evidence: Evidence): Sample[] {
  return reasons.map((reason, at): Sample => {
    const endedAtMs = NOW_MS - endedAgoMs - (reasons.length - 1 - at) * target.cadenceMs;
    return {
      targetId: target.id,
      startedAtMs: endedAtMs - 5,
      endedAtMs,
      outcome: { reason, phase: "connect" },
      ...(reason === "answered" ? { rtt: { ns: 5_000_000, source: "kernel" as const } } : {}),
      phases: {},
      evidence,
    };
  });
}

/** The windows of those samples, sealed every ten samples and at each turn (W2). */
export function windowsOf(
  target: Target,
  reasons: readonly Reason[],
  endedAgoMs = 0,
  evidence: Evidence = {},
): Window[] {
  const windows: Window[] = [];
  let open: Window | undefined;
  let run: Run | undefined;
  for (const [at, sample] of samplesOf(target, reasons, endedAgoMs, evidence).entries()) {
    const followed = followRun(run, sample);
    run = followed.run;
    const one = windowOf(followed, sample.endedAtMs - target.cadenceMs, sample.endedAtMs);
    open = open === undefined ? one : mergeWindows(open, one);
    if (followed.turned || (at + 1) % 10 === 0) {
      windows.push(open);
      open = undefined;
    }
  }
  return open === undefined ? windows : [...windows, open];
}

export const times = (count: number, reason: Reason): Reason[] => Array.from({ length: count }, () => reason);

/** A kept sample whose run began with it. */
export function rememberedOf(
  reason: Reason,
  endedAtMs: number,
  evidence: Evidence = {},
  run: Partial<Run> = {},
): Remembered {
  const { length = 1, startedAtMs = endedAtMs } = run;
  const state = { stateLength: length, stateStartedAtMs: startedAtMs };
  const whole: Run = { ordinal: 1, outcomeClass: "bad", length, startedAtMs, lossRun: 0, watched: 0, ...state, ...run };
  return { endedAtMs, reason, phase: "connect", run: whole, evidence };
}

/** A merged window of the last minute with those counts. */
export function lookbackOf(counts: Partial<Record<Reason, number>>, more: Partial<Window> = {}): Window {
  const entries = Object.entries(counts) as [Reason, number][];
  return { ...emptyWindow("t", NOW_MS - 60_000, NOW_MS), counts: new Map(entries), ...more };
}

/** What an entry is given; the rest is that of a target that answers. */
export type EntryParts = Partial<Omit<Entry, "own">> & {
  readonly own?: Partial<TargetVerdict>;
  readonly service?: Service;
};

/**
 * An entry; without more that of a target that has answered for a minute. Own and correlated verdict agree by default.
 */
export function entryOf(target: Target, { own, service, ...parts }: EntryParts = {}): Entry {
  const { verdict = "met", cause = "none", onsetMs = NOW_MS - 60_000 } = parts;
  return {
    requirement: requirementOf(target.requirementId, service === undefined ? HERE : { kind: "service", service }),
    target,
    own: {
      verdict,
      cause,
      basis: verdict === "unmet" ? "failed" : "answered",
      reason: "answered",
      seen: undefined,
      runLength: 10,
      onsetMs,
      lookback: lookbackOf({}),
      lookbackMs: 60_000,
      lastSampleAtMs: NOW_MS,
      answeredAtMs: undefined,
      resolvedAtMs: undefined,
      goodAnswers: undefined,
      addresses: undefined,
      ...own,
    },
    verdict,
    cause,
    onsetMs,
    evidence: "Seen.",
    nextStep: verdict === "met" ? "" : "Do.",
    followsFrom: undefined,
    comparison: false,
    thirdParty: false,
    alternatives: [],
    udpEvidence: undefined,
    ...parts,
  };
}

/** The facts of a site that declares the CA with that SHA-256; everything else is the default. */
export function siteOf(inspectionCa?: string, more: Partial<SiteFacts> = {}): SiteFacts {
  const inspectionCas = inspectionCa === undefined ? [] : [{ sha256: inspectionCa, subject: undefined }];
  return { inspectionCas, certificateEndsSoonMs: 14 * 86_400_000, gateways: [], ...more };
}

/** A correlation context that knows nothing more. */
export function contextOf(more: Partial<CorrelationContext> = {}): CorrelationContext {
  const unknown = { interception: undefined, site: undefined, previous: undefined, clockRowId: undefined };
  const nothing = { ...unknown, isGrpcTunnel: false };
  return { thresholds: DEFAULT_THRESHOLDS, nowMs: NOW_MS, node: {}, ...nothing, ...more };
}

/** Judges a node with those rows at {@link NOW_MS}, with the default thresholds. */
export function judgeRows(
  rows: readonly ResolvedRow[],
  windows: readonly Window[] = [],
  more: Partial<Judgement> = {},
): readonly RowVerdict[] {
  return judgeNode({
    resolution: { catalogueVersion: "v1.13", rows },
    windows: (id) => windows.filter(({ targetId }) => targetId === id),
    nowMs: NOW_MS,
    thresholds: DEFAULT_THRESHOLDS,
    ...more,
  });
}
