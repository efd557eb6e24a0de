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
import { isRecovered, notRecovered, rootsOf } from "./collector-answer.ts";
import { DrillError } from "./drill-error.ts";
import type { FaultDrill } from "./fault-drill.ts";
import type { LabNode, TestBed } from "./test-bed.ts";

/** The result of one drill. */
export interface MatrixRow {
  readonly fault: string;
  readonly node: string;
  readonly expectedCause: Cause;
  /** The cause at the expected row; `null`: it never failed. */
  readonly reportedCause: string | null;
  /** Other faults reported during the drill that are not expected with it: row and cause. */
  readonly otherFaults: readonly string[];
  /** `null`: not within {@link DETECT_MAX_MS}. */
  readonly detectMs: number | null;
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

/**
 * How long a node must be healthy before the next fault, ms; the same before a fault that needs a settled node; and the
 * longest wait for either.
 */
const CALM_MS = 3_000;
const SETTLED_MS = 60_000;
const CALM_MAX_MS = 120_000;

/** Seconds within which a hard fault must be seen; the product's promise. */
export const HARD_DETECT_MS = 5_000;

/**
 * Runs `drills` over all nodes of the test bed and calls `onRow` as each ends. Rejects with a DrillError when a node is
 * not healthy.
 */
export async function runMatrix(
  testBed: TestBed,
  drills: readonly FaultDrill[],
  clock: Clock,
  signal: AbortSignal,
  onRow: (row: MatrixRow) => void,
): Promise<readonly MatrixRow[]> {
  const ofHidden = drills.filter(({ only }) => only === "hidden");
  const ofOthers = drills.filter(({ only }) => only === undefined);
  const rows: MatrixRow[] = [];
  const work = async (node: LabNode) => {
    const waiting = node === testBed.hiddenNode ? ofHidden : ofOthers;
    for (let drill = waiting.shift(); drill !== undefined && !signal.aborted; drill = waiting.shift()) {
      const row = await runDrill(testBed, node, drill, clock, signal);
      rows.push(row);
      onRow(row);
    }
  };
  await Promise.all(testBed.nodes.map(work));
  const order = drills.map(({ name }) => name);
  return rows.sort((a, b) => order.indexOf(a.fault) - order.indexOf(b.fault));
}

/** Whether the row meets its drill's expectation. */
export function isAsExpected(row: MatrixRow, drill: FaultDrill): boolean {
  const { detectMs, clearMs, reportedCause, otherFaults } = row;
  if (detectMs === null || clearMs === null) return false;
  const inTime = !drill.hard || detectMs <= HARD_DETECT_MS;
  return inTime && reportedCause === drill.expected.cause && otherFaults.length === 0;
}

async function runDrill(
  testBed: TestBed,
  node: LabNode,
  drill: FaultDrill,
  clock: Clock,
  signal: AbortSignal,
): Promise<MatrixRow> {
  const before = await calm(testBed, node, drill.settled === true ? SETTLED_MS : CALM_MS, clock, signal);
  const brokenNs = clock.monotonicNs();
  const clear = await drill.inject(testBed, node);
  let detectMs: number | null = null;
  let standing: readonly StatusRow[] = [];
  try {
    const seen = await testBed.until((rows) => reported(rows, node, drill) !== undefined, DETECT_MAX_MS, signal);
    if (seen !== undefined) detectMs = (seen.seenNs - brokenNs) / NS_PER_MS;
    await pause(clock, STAND_MS, signal);
    standing = (await testBed.next(signal))?.rows ?? [];
  } finally {
    await clear();
  }
  const clearedNs = clock.monotonicNs();
  const recovered = await testBed.until((rows) => isRecovered(rows, before, node.name), CLEAR_MAX_MS, signal);
  const after = recovered?.rows ?? (await testBed.next(signal))?.rows ?? [];
  return {
    ...saidOf(standing, node, drill),
    notCleared: recovered === undefined ? [...notRecovered(after, before, node.name), testBed.agentLog(node)] : [],
    detectMs: rounded(detectMs),
    clearMs: recovered === undefined ? null : rounded((recovered.seenNs - clearedNs) / NS_PER_MS),
  };
}

function saidOf(rows: readonly StatusRow[], node: LabNode, drill: FaultDrill) {
  const row = reported(rows, node, drill) ?? rootsOf(rows, node.name).find((root) => isExpectedRow(root, drill));
  const expected: readonly string[] = [drill.expected.cause, ...(drill.besides ?? [])];
  const others = rootsOf(rows, node.name).filter(({ cause }) => !expected.includes(cause ?? "none"));
  return {
    fault: drill.name,
    node: node.name,
    expectedCause: drill.expected.cause,
    reportedCause: row?.cause ?? null,
    otherFaults: others.map(({ requirement, probe, target, cause }) => `${requirement} ${probe} ${target}: ${cause}`),
    evidence: row?.evidence ?? "",
    nextStep: row?.nextStep ?? "",
  };
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
