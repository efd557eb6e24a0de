/**
 * The fault matrix: each fault once, the collector's verdict on it, and the time to that verdict.
 *
 * 1. Times run from the start of an injection, or of its removal, to the collector's answer that shows it. They include
 *    the injection, the probes, the report, the judge and the query.
 * 2. Each node runs one drill after another, so as many faults are active as there are nodes. No fault touches another
 *    node, and the answers for the other nodes are watched for false alarms.
 */
import type { StatusRow } from "@lifeline/cli";
import { type Cause, type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { isRecovered, keyOf, notRecovered, rootsOf } from "./collector-answer.ts";
import type { LabIncident } from "./collector-observer.ts";
import { DrillError } from "./drill-error.ts";
import { drillIncidents, isAllowedCause } from "./drill-incidents.ts";
import type { FaultDrill } from "./fault-drill.ts";
import type { LabNode, TestBed } from "./test-bed.ts";

/** The result of one drill. */
export interface MatrixRow {
  readonly fault: string;
  readonly node: string;
  readonly expectedCause: Cause;
  /** The cause at the expected row while the fault stood; `null`: it never failed. */
  readonly reportedCause: string | null;
  /** The cause of the ended incident at that row; `null`: there is none. */
  readonly closedCause: string | null;
  /** The most incidents that any row of the node had of this fault: one fault is one incident. */
  readonly incidents: number;
  /** Causes that are not expected with the fault, of rows while it stood, with their row. */
  readonly otherFaults: readonly string[];
  /** The same of the incidents that are left. */
  readonly otherIncidents: readonly string[];
  /** Such causes of rows from the clearing to the recovery. They are shown; what is left of them is an incident. */
  readonly whileClearing: readonly string[];
  /** `null`: not within {@link DETECT_MAX_MS}. */
  readonly detectMs: number | null;
  /** What the expected row was before it reported the fault: each state, with the ms at which it was seen first. */
  readonly before: readonly string[];
  /** `null`: not within {@link CLEAR_MAX_MS}. */
  readonly clearMs: number | null;
  /**
   * Rows that were not as before when clearing was given up, and the end of the agent's log; empty where it was not.
   */
  readonly notCleared: readonly string[];
  /** The sentence and the next step that were given. */
  readonly evidence: string;
  readonly nextStep: string;
}

/** How long a fault is waited for, ms: loss of 5 % needs some seventy samples. */
export const DETECT_MAX_MS = 90_000;

/** Longest wait for a fault to clear, ms: loss is judged over the last minute. */
export const CLEAR_MAX_MS = 120_000;

/** How long a fault stays injected after it is first seen, ms. The first verdict must still hold at the end. */
const STAND_MS = 3_000;

/** Longest wait for the incidents of a fault to end once its rows have recovered, ms, and how often they are read. */
const ENDED_MAX_MS = 30_000;
const ENDED_READ_MS = 500;

/**
 * How long a node must be healthy before the next fault, ms; the same before a fault that needs a settled node; and the
 * longest wait for either.
 */
const CALM_MS = 3_000;
const SETTLED_MS = 60_000;
const CALM_MAX_MS = 120_000;

/** Nodes of a matrix: two cores carry their agents, and the drills take half the time of three. */
export const MATRIX_NODES = 6;

/** Seconds within which a hard fault must be seen; the product's promise. */
export const HARD_DETECT_MS = 5_000;

/**
 * Runs `drills` over all nodes of the test bed and calls `onRow` as each ends. A drill whose node is not healthy is not
 * run: its row names why among the other faults.
 */
export async function runMatrix(
  testBed: TestBed,
  drills: readonly FaultDrill[],
  clock: Clock,
  signal: AbortSignal,
  onRow: (row: MatrixRow) => void,
): Promise<readonly MatrixRow[]> {
  const beside = drills.filter(({ among }) => among === undefined);
  const ofHidden = beside.filter(({ only }) => only === "hidden");
  // The longest first, so that they do not run alone at the end.
  const ofOthers = beside.filter(({ only }) => only === undefined).sort((a, b) => slowness(b) - slowness(a));
  const rows: MatrixRow[] = [];
  const run = async (node: LabNode, waiting: FaultDrill[]) => {
    for (let drill = waiting.shift(); drill !== undefined && !signal.aborted; drill = waiting.shift()) {
      const row = await runDrill(testBed, node, drill, clock, signal);
      rows.push(row);
      onRow(row);
    }
  };
  await Promise.all(testBed.nodes.map((node) => run(node, node === testBed.hiddenNode ? ofHidden : ofOthers)));
  const [first] = testBed.nodes;
  if (first !== undefined)
    await run(
      first,
      drills.filter(({ among }) => among === "alone"),
    );
  const order = drills.map(({ name }) => name);
  return rows.sort((a, b) => order.indexOf(a.fault) - order.indexOf(b.fault));
}

/** Drills that need a calm minute, a prepared node or statistics take longer than the others. */
function slowness({ settled, prepare, hard, standMs = 0 }: FaultDrill): number {
  return Number(settled === true) + Number(prepare !== undefined) + Number(!hard) + Number(standMs > STAND_MS);
}

/** Whether the row meets its drill's expectation, its time included. */
export function isAsExpected(row: MatrixRow, drill: FaultDrill): boolean {
  const inTime = row.detectMs !== null && (!drill.hard || row.detectMs <= HARD_DETECT_MS);
  const isOne = row.incidents === (drill.untargeted === true ? 0 : 1) && row.otherIncidents.length === 0;
  return inTime && isOne && isNamed(row, drill);
}

/** Whether the row has the right causes, no other fault beside it, and a recovery, however long it took. */
export function isNamed(row: MatrixRow, drill: FaultDrill): boolean {
  const isKept = drill.untargeted === true || isAllowedCause(row.closedCause, drill);
  const isShown = row.reportedCause === drill.expected.cause && row.otherFaults.length === 0;
  return isKept && isShown && row.clearMs !== null;
}

async function runDrill(
  testBed: TestBed,
  node: LabNode,
  drill: FaultDrill,
  clock: Clock,
  signal: AbortSignal,
): Promise<MatrixRow> {
  const undo = await drill.prepare?.(testBed, node);
  try {
    return await runPrepared(testBed, node, drill, clock, signal);
  } catch (error) {
    // One node that is not well must not take the results of the others away.
    if (error instanceof DrillError && error.code === "not-well") return notRun(node, drill, error.message);
    throw error;
  } finally {
    await undo?.();
  }
}

function notRun(node: LabNode, drill: FaultDrill, why: string): MatrixRow {
  const nothing = {
    closedCause: null,
    incidents: 0,
    detectMs: null,
    clearMs: null,
    before: [],
    notCleared: [],
    whileClearing: [],
  };
  return { ...saidOf([], node, drill), ...nothing, otherFaults: [why], otherIncidents: [] };
}

async function runPrepared(
  testBed: TestBed,
  node: LabNode,
  drill: FaultDrill,
  clock: Clock,
  signal: AbortSignal,
): Promise<MatrixRow> {
  const before = await calm(testBed, node, drill.settled === true ? SETTLED_MS : CALM_MS, clock, signal);
  const latestId = Math.max(0, ...(await testBed.incidents(node, signal)).map(({ id }) => id));
  const brokenNs = clock.monotonicNs();
  const clear = await drill.inject(testBed, node);
  let detectMs: number | null = null;
  let standing: readonly StatusRow[] = [];
  const whileClearing = new Set<string>();
  const onset = new Map<string, number>();
  const isSeen = (rows: readonly StatusRow[]) => {
    if (reported(rows, node, drill) !== undefined) return true;
    const atMs = Math.round((clock.monotonicNs() - brokenNs) / NS_PER_MS);
    for (const state of statesOf(rows, node, drill)) if (!onset.has(state)) onset.set(state, atMs);
    return false;
  };
  try {
    const seen = await testBed.until(isSeen, DETECT_MAX_MS, signal);
    if (seen !== undefined) detectMs = (seen.seenNs - brokenNs) / NS_PER_MS;
    await pause(clock, drill.standMs ?? STAND_MS, signal);
    standing = (await testBed.next(signal))?.rows ?? [];
  } finally {
    await clear();
  }
  const clearedNs = clock.monotonicNs();
  const ownRows = (rows: readonly StatusRow[]) => rows.filter((row) => row.node === node.name);
  const followed = new Map<string, StatusRow>();
  const noteFollowing = (rows: readonly StatusRow[]) => {
    for (const row of ownRows(rows)) if (row.followsFrom !== null) followed.set(`${row.targetId} ${row.cause}`, row);
  };
  noteFollowing(standing);
  const recovers = (rows: readonly StatusRow[]) => {
    noteFollowing(rows);
    for (const one of otherFaults(rows, node, drill, standing)) whileClearing.add(one);
    return isRecovered(rows, before, node.name);
  };
  const recovered = await testBed.until(recovers, CLEAR_MAX_MS, signal);
  const after = recovered?.rows ?? (await testBed.next(signal))?.rows ?? [];
  const begun = await endedIncidents(testBed, node, latestId, clock, signal);
  const kept = drillIncidents(begun, ownRows(standing), [...followed.values()], drill);
  return {
    ...saidOf(standing, node, drill),
    closedCause: kept.closedCause,
    incidents: kept.incidents,
    otherFaults: otherFaults(standing, node, drill),
    otherIncidents: kept.others,
    whileClearing: [...whileClearing],
    notCleared: recovered === undefined ? [...notRecovered(after, before, node.name), testBed.agentLog(node)] : [],
    detectMs: rounded(detectMs),
    before: [...onset].map(([state, atMs]) => `${atMs} ms ${state}`),
    clearMs: recovered === undefined ? null : rounded((recovered.seenNs - clearedNs) / NS_PER_MS),
  };
}

/** The node's incidents after `latestId`, once all of them have ended or {@link ENDED_MAX_MS} have passed. */
async function endedIncidents(
  testBed: TestBed,
  node: LabNode,
  latestId: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly LabIncident[]> {
  const untilNs = clock.monotonicNs() + ENDED_MAX_MS * NS_PER_MS;
  for (;;) {
    const begun = (await testBed.incidents(node, signal)).filter(({ id }) => id > latestId);
    if (begun.every(({ isOpen }) => !isOpen) || clock.monotonicNs() > untilNs || signal.aborted) return begun;
    await pause(clock, ENDED_READ_MS, signal);
  }
}

function saidOf(rows: readonly StatusRow[], node: LabNode, drill: FaultDrill) {
  const row = reported(rows, node, drill) ?? rootsOf(rows, node.name).find((root) => isExpectedRow(root, drill));
  return {
    fault: drill.name,
    node: node.name,
    expectedCause: drill.expected.cause,
    reportedCause: row?.cause ?? null,
    evidence: row?.evidence ?? "",
    nextStep: row?.nextStep ?? "",
  };
}

function statesOf(rows: readonly StatusRow[], { name }: LabNode, drill: FaultDrill): readonly string[] {
  return rows
    .filter((row) => row.node === name && isExpectedRow(row, drill))
    .map(({ probe, target, verdict, cause, followsFrom }) => {
      const after =
        followsFrom === null ? "" : `, follows from ${rows.find((row) => row.targetId === followsFrom)?.requirement}`;
      return `${probe} ${target}: ${verdict} ${cause ?? ""}${after}`;
    });
}

/** Roots with a cause that the drill does not name, nor the row had in `standing`. */
function otherFaults(
  rows: readonly StatusRow[],
  node: LabNode,
  drill: FaultDrill,
  standing: readonly StatusRow[] = [],
): readonly string[] {
  const causes = new Map(standing.map((row) => [keyOf(row), row.cause]));
  return rootsOf(rows, node.name)
    .filter((row) => !isAllowedCause(row.cause, drill) && causes.get(keyOf(row)) !== row.cause)
    .map(({ requirement, probe, target, cause }) => `${requirement} ${probe} ${target}: ${cause}`);
}

/** The row that reports the drill's fault by its expected cause. */
function reported(rows: readonly StatusRow[], node: LabNode, drill: FaultDrill): StatusRow | undefined {
  return rootsOf(rows, node.name).find((row) => isExpectedRow(row, drill) && row.cause === drill.expected.cause);
}

function isExpectedRow({ requirement, probe }: StatusRow, { expected }: FaultDrill): boolean {
  return requirement === expected.requirement && (expected.probe === undefined || expected.probe === probe);
}

/** Waits until nothing has failed at the node for the given time; resolves with the rows. */
async function calm(
  testBed: TestBed,
  node: LabNode,
  forMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly StatusRow[]> {
  const untilNs = clock.monotonicNs() + CALM_MAX_MS * NS_PER_MS;
  while (clock.monotonicNs() < untilNs && !signal.aborted) {
    const well = await testBed.until((rows) => isWell(rows, node), CALM_MAX_MS, signal);
    if (well === undefined) break;
    const broken = await testBed.until((rows) => !isWell(rows, node), forMs, signal);
    if (broken === undefined) return (await testBed.next(signal))?.rows ?? well.rows;
  }
  const worst = ((await testBed.next(signal))?.rows ?? []).find((row) => countsAt(row, node) && !isMet(row));
  const why = worst === undefined ? "the collector tells nothing of it" : `${worst.requirement}: ${worst.evidence}`;
  throw new DrillError("not-well", `${node.name} was not well within ${CALM_MAX_MS / 1_000} s: ${why}`);
}

/** Nothing fails, and every row that must be met has been judged. */
function isWell(rows: readonly StatusRow[], node: LabNode): boolean {
  const own = rows.filter((row) => countsAt(row, node));
  return own.length > 0 && own.every(isMet);
}

function countsAt({ node: name, comparison, required }: StatusRow, node: LabNode): boolean {
  return name === node.name && !comparison && required;
}

function isMet({ verdict }: StatusRow): boolean {
  return verdict === "met" || verdict === "not-applicable";
}

function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms);
}
