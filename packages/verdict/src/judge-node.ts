/**
 * The judge: windows in, verdicts out. Pure (J1): the same inputs give the same rows, so that an audit can be replayed.
 *
 * 1. One row for each requirement and target, in the order of the catalogue; one row for a requirement without targets.
 * 2. Every row names its evidence; unless it is met or not applicable, also a cause and a next step (J2).
 * 3. Without data, without evidence, and in trouble of the agent, the verdict is unknown (M4).
 */
import type { InterceptionSigns, Requirement, Resolution, ResolvedRow } from "@lifeline/catalogue";
import { proxyName, type Target, targetPlace } from "@lifeline/measure";
import { emptyWindow, lossOf, type Window } from "@lifeline/window";
import { deadAddressStep } from "./address-states.ts";
import { checkVerdict } from "./check-verdict.ts";
import { correlate } from "./correlate/correlate.ts";
import type { Entry } from "./entry.ts";
import { evidenceOf } from "./evidence-text.ts";
import { withFlow } from "./flow.ts";
import { NO_DATA_STEP, nextStepFor, UNCONFIRMED_STEP } from "./next-step.ts";
import type { NodeContext } from "./node-context.ts";
import { bounded } from "./phrase.ts";
import { type PreviousVerdict, type RowVerdict, rowKey, type UdpEvidence } from "./row.ts";
import { notesOf } from "./row-notes.ts";
import { rttFiguresOf } from "./rtt-figures.ts";
import { type TargetVerdict, targetVerdictOf } from "./target-verdict.ts";
import type { Thresholds } from "./thresholds.ts";

/** All inputs of a judgement. */
export interface Judgement {
  readonly resolution: Resolution;
  /** Recent windows of a target, in any order: at least those of its lookback (lookbackMsOf). */
  readonly windows: (targetId: string) => readonly Window[];
  /** Wall time of the judgement, ms since the epoch, on the clock that labelled the windows. */
  readonly nowMs: number;
  readonly thresholds: Thresholds;
  /** What is known of the node besides its windows. Default: nothing. */
  readonly context?: NodeContext;
  /** Signs of TLS interception. Default: none. */
  readonly interception?: InterceptionSigns;
  /** The rows of the previous judgement, by rowKey. A verdict that stays keeps its `sinceMs`. Default: none. */
  readonly previous?: ReadonlyMap<string, PreviousVerdict>;
}

/** Judges every requirement of one node. Total: any windows give rows. Never throws. */
export function judgeNode(judgement: Judgement): readonly RowVerdict[] {
  const { resolution, thresholds, nowMs, interception, previous, context = {} } = judgement;
  const { site } = resolution;
  const entries = resolution.rows.flatMap((row) => entriesOf(row, judgement));
  const clockRowId = resolution.rows.find((row) => row.kind === "check" && row.check.name === "clock")?.requirement.id;
  const isGrpcTunnel = needsNoUdp(resolution);
  const known = { node: context, interception, site, previous, clockRowId, isGrpcTunnel };
  const correlated = correlate(entries, { thresholds, nowMs, ...known });
  const byTarget = new Map(correlated.map((entry) => [entry.target.id, entry]));
  return resolution.rows
    .flatMap((row) => rowsOf(row, byTarget, judgement))
    .map((row) => withSince(row, previous?.get(rowKey(row)), nowMs));
}

/** Whether no row of the SideroLink port applies: the tunnel is carried over the Machine API. */
function needsNoUdp({ rows }: Resolution): boolean {
  const ports = rows.filter(({ requirement: { place } }) => place.kind === "service" && place.service === "siderolink");
  return ports.length > 0 && ports.every(({ kind }) => kind === "not-applicable");
}

function entriesOf(row: ResolvedRow, { windows, nowMs, thresholds, previous }: Judgement): readonly Entry[] {
  if (row.kind !== "targets") return [];
  return row.targets.map((target): Entry => {
    const own = targetVerdictOf(target, windows(target.id), nowMs, thresholds, previous?.get(target.id));
    const { verdict, cause, onsetMs } = own;
    return {
      requirement: row.requirement,
      target,
      own,
      verdict,
      cause,
      onsetMs,
      evidence: evidenceOf(target, own),
      nextStep: stepFor(target, own),
      followsFrom: undefined,
      comparison: row.comparisonIds.includes(target.id),
      thirdParty: row.thirdPartyIds.includes(target.id),
      alternatives: row.alternatives.filter((endpoint) => endpoint !== targetPlace(target)),
      udpEvidence: undefined,
    };
  });
}

function stepFor(target: Target, { basis, reason, addresses }: TargetVerdict): string {
  switch (basis) {
    case "some-addresses":
      return addresses === undefined ? nextStepFor(reason, target) : deadAddressStep(target, addresses);
    case "answered":
      return "";
    case "no-data":
      return NO_DATA_STEP;
    case "unconfirmed":
      return UNCONFIRMED_STEP;
    case "failed":
    case "intermittent":
    case "silent":
    case "name-has-no-address":
    case "unproven":
    case "agent-trouble":
    case "no-attempt":
      return nextStepFor(reason, target);
  }
}

function rowsOf(row: ResolvedRow, entries: ReadonlyMap<string, Entry>, judgement: Judgement): readonly RowVerdict[] {
  const { nowMs } = judgement;
  switch (row.kind) {
    case "targets":
      return row.targets.flatMap(({ id }) => {
        const entry = entries.get(id);
        return entry === undefined ? [] : [targetRow(entry, row, judgement.context?.name)];
      });
    case "check":
      return [targetlessRow(row.requirement, nowMs, checkVerdict(row.check, judgement.context ?? {}, nowMs))];
    case "not-applicable":
      return [
        targetlessRow(row.requirement, nowMs, {
          verdict: "not-applicable",
          cause: "none",
          evidence: row.why,
          nextStep: "",
        }),
      ];
    case "unresolved":
      return [
        targetlessRow(row.requirement, nowMs, {
          verdict: "unknown",
          cause: row.cause ?? "not-measured",
          evidence: row.why,
          nextStep: row.next,
        }),
      ];
  }
}

function targetRow(
  entry: Entry,
  row: Extract<ResolvedRow, { kind: "targets" }>,
  nodeName: string | undefined,
): RowVerdict {
  const { requirement, target, own, verdict, cause, evidence, followsFrom, onsetMs, comparison } = entry;
  const { id, host, port, family, options } = target;
  const proxy = target.proxy === undefined ? undefined : proxyName(target.proxy);
  const { directions } = own.lookback;
  return {
    requirementId: requirement.id,
    obligation: requirement.obligation,
    required: requirement.obligation !== "optional" && !comparison,
    target: { id, host, port, endpoint: targetPlace(target), probe: options.probe, family, proxy },
    verdict,
    cause,
    evidence: bounded([evidence, ...row.notes.map((note) => `${note}.`)].join(" ")),
    nextStep: withFlow(entry, nodeName),
    followsFrom,
    udpEvidence: entry.udpEvidence,
    notes: notesOf(row),
    comparison,
    directions: directions.forwardSent + directions.returnSent > 0 ? directions : undefined,
    loss: lossOf(own.lookback),
    rtt: rttFiguresOf(own.lookback),
    sinceMs: onsetMs,
    onsetMs,
    causeSinceMs: causeSinceMs(entry),
    lastSampleAtMs: own.lastSampleAtMs,
  };
}

/** When the state that shows the cause began. A cause that a correlation rule found holds since the onset. */
function causeSinceMs({ cause, own, onsetMs }: Entry): number {
  if (own.basis !== "failed" || own.seen === undefined || cause !== own.cause) return onsetMs;
  return Math.max(onsetMs, own.seen.run.stateStartedAtMs);
}

function targetlessRow(
  requirement: Requirement,
  nowMs: number,
  result: Pick<RowVerdict, "verdict" | "cause" | "evidence" | "nextStep"> & { readonly onsetMs?: number },
): RowVerdict {
  const { id, obligation } = requirement;
  const nothing = emptyWindow(id, nowMs, nowMs);
  return {
    requirementId: id,
    obligation,
    required: obligation !== "optional" && result.verdict !== "not-applicable",
    target: undefined,
    ...result,
    followsFrom: undefined,
    udpEvidence: udpEvidenceWithoutTarget(requirement, result.verdict),
    notes: [],
    comparison: false,
    directions: undefined,
    loss: lossOf(nothing),
    rtt: rttFiguresOf(nothing),
    sinceMs: result.onsetMs ?? nowMs,
    onsetMs: result.onsetMs ?? nowMs,
    causeSinceMs: result.onsetMs ?? nowMs,
    lastSampleAtMs: undefined,
  };
}

/** For a row of the SideroLink port without a target: WireGuard runs over gRPC, or no setting names the port. */
function udpEvidenceWithoutTarget({ place }: Requirement, verdict: RowVerdict["verdict"]): UdpEvidence | undefined {
  if (place.kind !== "service" || place.service !== "siderolink") return undefined;
  return verdict === "not-applicable" ? "not-applicable" : "no-evidence";
}

/**
 * A verdict that stays keeps its time; a new one takes the onset of the run it rests on. A good run may be older than a
 * fault that is over, such as answers that were late.
 */
function withSince(row: RowVerdict, previous: PreviousVerdict | undefined, nowMs: number): RowVerdict {
  if (previous === undefined) return row;
  const { verdict, sinceMs } = previous;
  if (verdict === row.verdict) return { ...row, sinceMs: verdict === "met" ? sinceMs : Math.min(sinceMs, row.sinceMs) };
  const wasBad = verdict === "degraded" || verdict === "unmet";
  return wasBad && row.verdict === "met" && row.sinceMs <= sinceMs ? { ...row, sinceMs: nowMs } : row;
}
