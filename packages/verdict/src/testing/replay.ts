/**
 * For tests: a node over time. Samples become windows, and each second is judged, in order. Not part of the package.
 */
import type { ResolvedRow } from "@lifeline/catalogue";
import { outcomeClassOf, type Reason, type Sample, type Target } from "@lifeline/measure";
import { followRun, type RunProgress, type Window, windowOf } from "@lifeline/window";
import { advanceIncidents, type Incident, type IncidentState } from "../incident.ts";
import { judgeNode } from "../judge-node.ts";
import type { NodeContext } from "../node-context.ts";
import { type PreviousVerdict, type RowVerdict, rowKey } from "../row.ts";
import { DEFAULT_THRESHOLDS } from "../thresholds.ts";

/** How an attempt at a target ends that begins at `startedMs` after the start; undefined: none is made. */
export type World = (target: Target, startedMs: number) => Reason | undefined;

/** One judged second. */
export interface Judged {
  /** Time after the start, ms. */
  readonly atMs: number;
  readonly rows: readonly RowVerdict[];
  readonly open: IncidentState;
}

/** A node's past. */
export interface Past {
  readonly judged: readonly Judged[];
  readonly opened: readonly Incident[];
  readonly closed: readonly Incident[];
}

/** The start, ms since the epoch. */
const START_MS = Date.UTC(2026, 7, 1, 12, 0, 0);

/** Windows older than this are kept no longer, except the last one with an answer, as in the collector. */
const KEPT_MS = 120_000;

/**
 * Replays `untilMs` of a node whose attempts end as `world` says. `contextAt`: what is known besides, at that time.
 * `restartMs`: when the agent starts again, ms after the start; default: never.
 */
export function replay(
  rows: readonly ResolvedRow[],
  world: World,
  untilMs: number,
  contextAt: (nowMs: number) => NodeContext = () => ({}),
  restartMs = Number.POSITIVE_INFINITY,
): Past {
  const windows = new Map(targetsOf(rows).map((target) => [target.id, windowsIn(target, world, untilMs, restartMs)]));
  const past = { judged: [] as Judged[], opened: [] as Incident[], closed: [] as Incident[] };
  let previous: ReadonlyMap<string, PreviousVerdict> = new Map();
  let open: IncidentState = new Map();
  for (let atMs = 1_000; atMs <= untilMs; atMs += 1_000) {
    const nowMs = START_MS + atMs;
    const recent = (id: string) => keptOf(windows.get(id) ?? [], nowMs);
    const judged = judgeNode({
      resolution: {
        catalogueVersion: "v1.13",
        rows,
        site: { inspectionCas: [], certificateEndsSoonMs: 0, gateways: [] },
      },
      windows: recent,
      nowMs,
      thresholds: DEFAULT_THRESHOLDS,
      previous,
      context: contextAt(nowMs),
    });
    const step = advanceIncidents(open, judged, nowMs, recent);
    previous = new Map(judged.map((row) => [rowKey(row), row]));
    open = step.state;
    past.judged.push({ atMs, rows: judged, open });
    past.opened.push(...step.opened);
    past.closed.push(...step.closed);
  }
  return past;
}

function targetsOf(rows: readonly ResolvedRow[]): readonly Target[] {
  return rows.flatMap((row) => (row.kind === "targets" ? row.targets : []));
}

/** A window for each attempt: the finest that an agent seals. Attempts of a target begin at different times. */
function windowsIn(target: Target, world: World, untilMs: number, restartMs: number): readonly Window[] {
  const windows: Window[] = [];
  const phaseMs = (target.id.length * 137) % target.cadenceMs;
  let run: RunProgress | undefined;
  for (let startedMs = phaseMs; startedMs < untilMs; startedMs += target.cadenceMs) {
    const reason = world(target, startedMs);
    if (reason === undefined) continue;
    if (startedMs >= restartMs && startedMs - target.cadenceMs < restartMs) run = undefined;
    const sample = sampleOf(target, START_MS + startedMs, reason);
    const followed = followRun(run, sample);
    run = followed.run;
    windows.push(windowOf(followed, sample.endedAtMs - 1, sample.endedAtMs));
  }
  return windows;
}

function sampleOf({ id, timeoutMs }: Target, startedAtMs: number, reason: Reason): Sample {
  const isSilence = ["timeout", "handshake-timeout", "tunnel-one-way", "silent"].includes(reason);
  return {
    targetId: id,
    startedAtMs,
    endedAtMs: startedAtMs + (isSilence ? timeoutMs : 5),
    outcome: { reason, phase: "connect" },
    ...(reason === "answered" ? { rtt: { ns: 5_000_000, source: "kernel" as const } } : {}),
    phases: {},
    evidence: {},
  };
}

function keptOf(windows: readonly Window[], nowMs: number): readonly Window[] {
  const ended = windows.filter(({ endMs }) => endMs <= nowMs);
  const recent = ended.filter(({ endMs }) => endMs > nowMs - KEPT_MS);
  if (recent.some(isGood)) return recent;
  const good = ended.findLast(isGood);
  return good === undefined ? recent : [good, ...recent];
}

function isGood({ last }: Window): boolean {
  return last !== undefined && outcomeClassOf(last.reason) === "good";
}
