/**
 * Measuring from this host for a while, and judging as the collector does.
 *
 * 1. A target is tried at most once a second, one attempt at a time; a tick that finds it busy is missed and counted (M3).
 * 2. At most {@link MAX_IN_FLIGHT} attempts are under way (S2); targets start spread over the first second.
 * 3. The rows are those of `judgeNode`, the judge of the collector, over the windows of this run alone.
 * 4. What only a collector can tell (another clock, another node of the same id) is not judged here, neither met nor unknown (M4).
 */
import { type Resolution, type ResolvedRow, resolvedTargets } from "@lifeline/catalogue";
import { type Clock, NS_PER_MS, pause, type Sample, type Target } from "@lifeline/measure";
import { DEFAULT_THRESHOLDS, judgeNode } from "@lifeline/verdict";
import { emptyWindow, followRun, mergeWindows, type Run, type Window, windowOf } from "@lifeline/window";
import { rowFromVerdict, type StatusModel } from "./status-row.ts";

/** Time between attempts at one target, ms: the collector's default cadence for a node alone (P1). */
export const CADENCE_MS = 1_000;

/** Most attempts under way: a node has at most 512 targets, and a probe holds one or two sockets. */
export const MAX_IN_FLIGHT = 64;

/** What a run measures, and with what. */
export interface Preflight {
  readonly resolution: Resolution;
  /** The name of this host in the rows. */
  readonly node: string;
  /** How long targets are tried, s. */
  readonly durationS: number;
  readonly clock: Clock;
  /** One attempt (M1). */
  readonly attempt: (target: Target) => Promise<Sample>;
  /** Ends the measuring early; what is known by then is judged. */
  readonly signal: AbortSignal;
}

/** Measures, then judges. Rejects only on a defect of a probe. */
export async function runPreflight(preflight: Preflight): Promise<StatusModel> {
  const { clock, durationS, node } = preflight;
  const resolution = { ...preflight.resolution, rows: preflight.resolution.rows.map(judgedHere) };
  const windows = await measure(preflight);
  const nowMs = clock.wallMs();
  // The whole run is judged: attempts begun in its last second may end a few seconds after it.
  const lookbackMs = Math.max(DEFAULT_THRESHOLDS.lookbackMs, 2 * durationS * 1_000);
  const rows = judgeNode({
    resolution,
    windows: (targetId) => windows.get(targetId) ?? [],
    nowMs,
    thresholds: { ...DEFAULT_THRESHOLDS, lookbackMs },
  });
  return {
    generatedAtMs: nowMs,
    catalogueVersion: resolution.catalogueVersion,
    rows: rows.map((row) => rowFromVerdict(node, row)),
  };
}

/** The row as it can be judged without a collector. */
function judgedHere(row: ResolvedRow): ResolvedRow {
  if (row.kind !== "check") return row;
  switch (row.check.name) {
    case "clock":
    case "unique-node":
      return {
        requirement: row.requirement,
        kind: "not-applicable",
        why: "judged by the collector; this run asks none",
      };
    case "tunnel-bypasses-proxy":
      return row;
  }
}

/** The windows of each target, by its id. */
async function measure(preflight: Preflight): Promise<ReadonlyMap<string, readonly Window[]>> {
  const targets = resolvedTargets(preflight.resolution);
  const gate = { inFlight: 0 };
  const tallies = targets.map((target, at) => pursue(target, (at / targets.length) * CADENCE_MS, preflight, gate));
  const interrupted = new Promise<void>((resolve) => {
    preflight.signal.addEventListener("abort", () => resolve(), { once: true });
    if (preflight.signal.aborted) resolve();
  });
  await Promise.race([Promise.all(tallies.map(({ done }) => done)), interrupted]);
  return new Map(targets.map(({ id }, at) => [id, tallies[at]?.windows ?? []]));
}

interface Tally {
  /** Grows while the target is pursued. */
  readonly windows: readonly Window[];
  readonly done: Promise<void>;
}

function pursue(target: Target, offsetMs: number, preflight: Preflight, gate: { inFlight: number }): Tally {
  const windows: Window[] = [];
  return { windows, done: tryEachSecond(target, offsetMs, preflight, gate, windows) };
}

async function tryEachSecond(
  target: Target,
  offsetMs: number,
  { clock, durationS, attempt, signal }: Preflight,
  gate: { inFlight: number },
  windows: Window[],
): Promise<void> {
  const startNs = clock.monotonicNs() + offsetMs * NS_PER_MS;
  let run: Run | undefined;
  let sealed = true;
  for (let tick = 0; tick < durationS && !signal.aborted; tick++) {
    const waitMs = (startNs - clock.monotonicNs()) / NS_PER_MS + tick * CADENCE_MS;
    if (waitMs > 0) await pause(clock, waitMs, AbortSignal.any([signal]));
    if (signal.aborted) return;
    if (gate.inFlight >= MAX_IN_FLIGHT || waitMs <= -CADENCE_MS) {
      addMissedTick(target, windows, clock.wallMs());
      continue;
    }
    gate.inFlight++;
    const sample = await attempt(target).finally(() => gate.inFlight--);
    const followed = followRun(run, sample);
    run = followed.run;
    const window = windowOf(followed, sample.startedAtMs, sample.endedAtMs);
    const last = sealed ? undefined : windows.pop();
    windows.push(last === undefined ? window : mergeWindows(last, window));
    // Sealed at a turn (W2), so that each window holds one run and at most the first sample of the next.
    sealed = followed.turned;
  }
}

function addMissedTick(target: Target, windows: Window[], nowMs: number): void {
  const missed = { ...emptyWindow(target.id, nowMs, nowMs), missedTicks: 1 };
  const last = windows.pop();
  windows.push(last === undefined ? missed : { ...mergeWindows(last, missed), endMs: last.endMs });
}
