/**
 * Measures from this host for a while, by the agent's loop, and judges by the collector's judge.
 *
 * 1. A target is probed about once a second, one attempt at a time. A tick at which the target is busy is missed and
 *    counted (M3). Every target has its first tick within the first second, so the shortest run measures them all.
 * 2. At most {@link MAX_IN_FLIGHT} attempts are in flight (S2). Their ticks are spread over the second.
 * 3. A run is short, so a target that fails is not probed in bursts: its ordinary attempts confirm the failure (P1).
 *    One that failed, had no second attempt and never answered is attempted once more after the run.
 * 4. A documented host that an endpoint redirects to becomes a target as soon as it is seen.
 * 5. What only a collector knows, such as another node with the same id, is neither met nor unknown here (M4).
 * 6. What a host that has not joined cannot prove stays unknown, is named below the rows, and is not counted: else no
 *    check before a node exists could pass.
 */
import {
  type InterceptionSigns,
  isSameRedirects,
  type LearnedRedirect,
  learnRedirect,
  type Resolution,
  type ResolvedRow,
  resolvedTargets,
} from "@lifeline/catalogue";
import { type Clock, NS_PER_MS, pause, type Target } from "@lifeline/measure";
import { type LocalNode, Prober } from "@lifeline/prober";
import { DEFAULT_THRESHOLDS, judgementContextOf, judgeNode, type RowVerdict, type Thresholds } from "@lifeline/verdict";
import type { Window } from "@lifeline/window";
import { rowFromVerdict, type StatusModel } from "../render/status-row.ts";
import { UnconfirmedTargets } from "./unconfirmed-targets.ts";

/** Time between attempts at one target, ms: the collector's default cadence for a node alone (P1). */
export const CADENCE_MS = 1_000;

/**
 * A target's first tick comes within this, ms: the shortest run. The tick after it is on the grid of the cadence, and
 * may come sooner than a cadence later. Linux allows that to a target that is answered by ICMP errors: a peer may have
 * six at once (XRLIM_BURST_FACTOR of Linux's net/ipv4/inetpeer.c).
 */
const FIRST_TICK_WITHIN_MS = 1_000;

/**
 * Time between attempts at a registry, ms: three in the default run. Each is up to four requests, and registries limit
 * how many images a site may ask for (P1).
 */
const REGISTRY_CADENCE_MS = 4_000;

/** Most attempts in flight: a node has at most 512 targets, and a probe holds one or two sockets. */
export const MAX_IN_FLIGHT = 64;

/** What a run measures, and with what. */
export interface Preflight {
  readonly resolution: Resolution;
  /** The resolution with the hosts that endpoints have redirected this host to. */
  readonly resolutionWith: (redirects: readonly LearnedRedirect[]) => Resolution;
  /** The name of this host in the rows. */
  readonly hostname: string;
  /** How long targets are probed, s. */
  readonly durationS: number;
  readonly clock: Clock;
  readonly node: Pick<LocalNode, "probe" | "clockOffsetMs">;
  readonly interception: InterceptionSigns;
  /** Whether this host has been told to join Omni. */
  readonly isConfiguredToJoin: boolean;
  /** Further remarks, such as what was assumed. */
  readonly remarks: readonly string[];
  /** Ends the run early. What is known by then is judged; attempts in flight are not awaited. */
  readonly signal: AbortSignal;
}

/** Measures, then judges. Rejects only on a defect of a probe. */
export async function runPreflight(preflight: Preflight): Promise<StatusModel> {
  return judgeRun(preflight, await measure(preflight));
}

/** Judges what a run measured. `thresholds`: those of the collector by default. */
export function judgeRun(
  preflight: Preflight,
  { windows, measured }: Measured,
  thresholds: Thresholds = DEFAULT_THRESHOLDS,
): StatusModel {
  const { clock, durationS, hostname, node, interception, isConfiguredToJoin } = preflight;
  const nowMs = clock.wallMs();
  const clockOffsetMs = node.clockOffsetMs();
  const isClockKnown = clockOffsetMs !== undefined;
  const resolution = {
    ...measured,
    rows: measured.rows.map((row) => judgedHere(row, isClockKnown)),
  };
  // The whole run is judged. Attempts that began in its last second may end a few seconds after it.
  const lookbackMs = Math.max(DEFAULT_THRESHOLDS.lookbackMs, 2 * durationS * 1_000);
  const rows = judgeNode({
    resolution,
    windows: (targetId) => windows.get(targetId) ?? [],
    nowMs,
    thresholds: { ...thresholds, lookbackMs },
    ...judgementContextOf(interception, {
      name: hostname,
      clockOffsetMs,
      clockReference: "time server",
      // Without a collector there are no other nodes, no witness, and no Talos socket.
      witness: undefined,
      duplicate: undefined,
      fleetIssuer: undefined,
      observedEndpoint: undefined,
    }),
  });
  const isUnproven = (row: RowVerdict) =>
    row.required &&
    row.verdict === "unknown" &&
    (isWithoutHost(row, resolution) || isSilentPort(row, isConfiguredToJoin));
  const unproven = rows.filter(isUnproven);
  return {
    generatedAtMs: nowMs,
    catalogueVersion: resolution.catalogueVersion,
    rows: rows.map((row) => rowFromVerdict(hostname, isUnproven(row) ? { ...row, required: false } : row)),
    remarks: [...preflight.remarks, ...unproven.map(unprovenRemark)],
  };
}

/** Whether the row is a wildcard for which no concrete host is known. */
function isWithoutHost({ requirementId, target }: RowVerdict, { rows }: Resolution): boolean {
  const place = rows.find(({ requirement }) => requirement.id === requirementId)?.requirement.place;
  return target === undefined && place?.kind === "wildcard" && place.known.length === 0;
}

/** Whether only silence came from a port that answers its own peers alone, of which this host is none yet. */
function isSilentPort({ udpEvidence, cause }: RowVerdict, isConfiguredToJoin: boolean): boolean {
  return !isConfiguredToJoin && udpEvidence === "no-evidence" && cause === "no-evidence";
}

function unprovenRemark({ requirementId, target, evidence }: RowVerdict): string {
  const where = target === undefined ? requirementId : `${requirementId} ${target.endpoint}`;
  const why = target === undefined ? evidence : "WireGuard answers its own peers alone; a node that joins proves it";
  return `Not proven from here, and not counted: ${where}: ${why}.`;
}

/** The row as it can be judged without a collector. */
function judgedHere(row: ResolvedRow, isClockKnown: boolean): ResolvedRow {
  if (row.kind !== "check") return row;
  switch (row.check.name) {
    case "clock":
      return isClockKnown ? row : notJudged(row, "judged by the collector; no time server answered this run");
    case "unique-node":
      return notJudged(row, "judged by the collector; this run uses none");
    case "tunnel-bypasses-proxy":
      return row;
  }
}

function notJudged({ requirement }: ResolvedRow, why: string): ResolvedRow {
  return { requirement, kind: "not-applicable", why };
}

/** What a run measured. */
export interface Measured {
  /** With the targets that the run found by itself. */
  readonly measured: Resolution;
  /** The windows of each target, by its id. */
  readonly windows: ReadonlyMap<string, readonly Window[]>;
}

async function measure(preflight: Preflight): Promise<Measured> {
  const { resolutionWith, hostname, durationS, clock, node, signal } = preflight;
  const windows = new Map<string, Window[]>();
  const defects: unknown[] = [];
  const unconfirmed = new UnconfirmedTargets();
  let redirects: readonly LearnedRedirect[] = [];
  let measured = preflight.resolution;
  const targets = () =>
    resolvedTargets(measured).map((target) => ({ ...target, cadenceMs: cadenceOf(target, durationS) }));
  const prober = new Prober({
    clock,
    nodeId: hostname,
    async probe(target, watch) {
      const sample = await node.probe(target, watch);
      unconfirmed.note(sample);
      const known = redirects;
      redirects = learnRedirect(known, target, sample.evidence, sample.endedAtMs);
      if (!isSameRedirects(known, redirects)) {
        measured = resolutionWith(redirects);
        prober.setTargets(targets());
      }
      return sample;
    },
    bursts: false,
    firstTickWithinMs: FIRST_TICK_WITHIN_MS,
    untilNs: clock.monotonicNs() + durationS * 1_000 * NS_PER_MS,
    inFlightMax: MAX_IN_FLIGHT,
    inFlightPerTargetMax: 1,
    sealed(sealed) {
      for (const window of sealed) windows.set(window.targetId, [...(windows.get(window.targetId) ?? []), window]);
    },
    onDefect: (_, error) => defects.push(error),
  });
  prober.setTargets(targets());
  await pause(clock, durationS * 1_000, signal);
  await prober.finish(signal, () => unconfirmed.ids());
  if (defects.length > 0) throw defects[0];
  return { measured, windows };
}

/**
 * Time between attempts at a time server, ms: as in a burst of the agent; in a long run so that NTP and NTS together
 * are 8 s apart.
 */
const TIME_CADENCE_MS = { min: 4_000, max: 16_000 };

/** Attempts at a time server that a run makes before it slows down: three in a row show that nothing answers. */
const TIME_ATTEMPTS = 3;

/**
 * A time server is asked rarely. A target that is answered by ICMP errors keeps its plan's cadence: Linux limits them
 * to about one a second (RFC 4443 §2.4 f).
 */
function cadenceOf({ options, cadenceMs }: Target, durationS: number): number {
  if (options.probe === "registry") return Math.min(cadenceMs, REGISTRY_CADENCE_MS);
  if (options.probe === "ntp" || options.probe === "nts") {
    const { min, max } = TIME_CADENCE_MS;
    return Math.min(max, Math.max(min, (durationS * 1_000) / TIME_ATTEMPTS));
  }
  const isRateLimited = options.probe === "udp" && options.expectRefusal;
  return isRateLimited ? Math.max(CADENCE_MS, cadenceMs) : CADENCE_MS;
}
