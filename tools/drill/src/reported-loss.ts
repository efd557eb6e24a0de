/**
 * Loss that was injected beside the loss that is reported: each node's datagrams to the SideroLink port are dropped by
 * chance on their way there, and the firewall counts what it dropped.
 */
import { type Column, type ScreenWorld, tableLines } from "@lifeline/cli";
import { SIDEROLINK_PORT } from "@lifeline/lab";
import { NS_PER_MS, pause } from "@lifeline/measure";
import type { LabNode, TestBed } from "./test-bed.ts";

/** Ratios injected, one a node. */
export const INJECTED_RATIOS = [0, 0.01, 0.05, 0.2] as const;

/** One node's loss. */
export interface LossRow {
  readonly node: string;
  readonly injectedRatio: number;
  /** Datagrams that the firewall dropped while it was measured. */
  readonly droppedPackets: number;
  /** STAMP packets sent forward over the lookback, and those lost on the way there; by their sequence numbers. */
  readonly forwardSent: number;
  readonly forwardLost: number;
  /** Lost on the way back, where nothing was dropped. */
  readonly returnLost: number;
  readonly reportedRatio: number | null;
  /** The 95 % interval that is reported. */
  readonly reportedInterval: readonly [low: number, high: number];
  readonly isInside: boolean;
}

/** Injects a ratio at each node, waits for `seconds`, and reads what is reported. */
export async function runLoss(
  testBed: TestBed,
  seconds: number,
  { clock, interrupt, stderr }: ScreenWorld,
): Promise<readonly LossRow[]> {
  const chosen = INJECTED_RATIOS.slice(0, testBed.nodes.length);
  const pairs = chosen.flatMap((ratio, at) => {
    const node = testBed.nodes[at];
    return node === undefined ? [] : [{ ratio, node }];
  });
  const faults = pairs.map(({ node, ratio }) =>
    testBed.net.path(node.name, {
      kind: "loss",
      ratio,
      traffic: { protocol: "udp", port: SIDEROLINK_PORT, host: testBed.net.omni.outer.ipv4 },
      direction: "forward",
    }),
  );
  for (const fault of faults) await fault.inject();
  const startedNs = clock.monotonicNs();
  try {
    await stderr.write(`lab: measuring loss for ${seconds} s\n`);
    await pause(clock, seconds * 1_000 - (clock.monotonicNs() - startedNs) / NS_PER_MS, interrupt);
    const { rows } = await testBed.model(interrupt);
    return await Promise.all(
      pairs.map(async ({ node, ratio }, at) => rowOf(node, ratio, (await faults[at]?.hits()) ?? 0, rows, testBed)),
    );
  } finally {
    for (const fault of faults) await fault.clear();
  }
}

function rowOf(
  { name }: LabNode,
  injectedRatio: number,
  droppedPackets: number,
  rows: Awaited<ReturnType<TestBed["model"]>>["rows"],
  testBed: TestBed,
): LossRow {
  const target = `${testBed.net.omni.outer.ipv4}:${SIDEROLINK_PORT}`;
  const row = rows.find((one) => one.node === name && one.probe === "stamp" && one.target === target);
  const [low, high] = row?.lossInterval ?? [0, 1];
  return {
    node: name,
    injectedRatio,
    droppedPackets,
    forwardSent: row?.directions?.forwardSent ?? 0,
    forwardLost: row?.directions?.forwardLost ?? 0,
    returnLost: row?.directions?.returnLost ?? 0,
    reportedRatio: row?.lossRatio ?? null,
    reportedInterval: [low, high],
    isInside: row !== undefined && row.sent > 0 && low <= injectedRatio && injectedRatio <= high,
  };
}

/** The rows as a table. */
export function lossText(rows: readonly LossRow[], width: number | undefined): string {
  return `${tableLines(COLUMNS, rows, { color: false, width }).join("\n")}\n`;
}

const percent = (ratio: number) => `${Number((ratio * 100).toPrecision(3))} %`;

const COLUMNS: readonly Column<LossRow>[] = [
  { title: "NODE", text: ({ node }) => node },
  { title: "INJECTED", text: ({ injectedRatio }) => percent(injectedRatio), align: "right" },
  {
    title: "REPORTED",
    text: ({ reportedRatio }) => (reportedRatio === null ? "–" : percent(reportedRatio)),
    align: "right",
  },
  {
    title: "95 % INTERVAL",
    text: ({ reportedInterval: [low, high] }) => `${percent(low)} to ${percent(high)}`,
    align: "right",
  },
  { title: "INSIDE", text: ({ isInside }) => (isInside ? "yes" : "no") },
  { title: "LOST FORWARD", text: ({ forwardLost, forwardSent }) => `${forwardLost} of ${forwardSent}`, align: "right" },
  { title: "LOST ON RETURN", text: ({ returnLost }) => String(returnLost), align: "right" },
];
