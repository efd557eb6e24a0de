/** What the reports of all witnesses say of one node. */
import type { WitnessView } from "@lifeline/verdict";
import type { WitnessReport } from "./witness-report.ts";

/** How old a report may be to say something of now, ms: five missed ones. */
const FRESH_MS = 5_000;

/**
 * By the collector's clock at `nowMs`; undefined: nothing that could be believed. `addresses`: those that are the
 * node's alone.
 */
export function witnessView(
  reports: readonly WitnessReport[],
  addresses: readonly string[],
  nowMs: number,
): WitnessView | undefined {
  if (addresses.length === 0) return undefined;
  const receptions = reports.flatMap((report) => receptionBy(report, addresses) ?? []);
  const latest = receptions.sort((a, b) => (b.receivedAtMs ?? 0) - (a.receivedAtMs ?? 0))[0];
  return latest && { ...latest, watchingSinceMs: watchedSinceMs(reports, addresses, nowMs) };
}

type Reception = Pick<WitnessView, "reportedAtMs" | "receivedAtMs" | "address">;

/** An incomplete report says nothing of a node that is missing in it (M4). */
function receptionBy(report: WitnessReport, addresses: readonly string[]): Reception | undefined {
  const { reportedAtMs, receivedAtMs, isComplete } = report;
  const received = addresses.flatMap((address) => {
    const atMs = receivedAtMs.get(address);
    return atMs === undefined ? [] : [{ address, atMs }];
  });
  const latest = received.sort((a, b) => b.atMs - a.atMs)[0];
  if (latest !== undefined) return { reportedAtMs, receivedAtMs: latest.atMs, address: latest.address };
  const [address] = addresses;
  return isComplete && address !== undefined ? { reportedAtMs, receivedAtMs: undefined, address } : undefined;
}

/**
 * Since when the silence of a node means something: all witnesses must have watched, because another one may receive
 * from it. Now, where one of them has no fresh report, or had no room for this node.
 */
function watchedSinceMs(reports: readonly WitnessReport[], addresses: readonly string[], nowMs: number): number {
  const covers = ({ reportedAtMs, isComplete, receivedAtMs }: WitnessReport) =>
    reportedAtMs >= nowMs - FRESH_MS && (isComplete || addresses.some((address) => receivedAtMs.has(address)));
  if (!reports.every(covers)) return nowMs;
  return Math.max(...reports.map(({ watchingSinceMs }) => watchingSinceMs));
}
