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

type NodeReception = Omit<WitnessView, "watchingSinceMs">;

/** An incomplete report says nothing of a node that is missing in it (M4). */
function receptionBy(report: WitnessReport, addresses: readonly string[]): NodeReception | undefined {
  const { reportedAtMs, received, isComplete } = report;
  const own = addresses.flatMap((address) => {
    const reception = received.get(address);
    return reception === undefined ? [] : [{ address, ...reception }];
  });
  const latest = own.sort((a, b) => b.atMs - a.atMs)[0];
  if (latest !== undefined) {
    const { address, atMs, sinceMs } = latest;
    return { reportedAtMs, receivedAtMs: atMs, receivingSinceMs: sinceMs, address };
  }
  const [address] = addresses;
  if (!isComplete || address === undefined) return undefined;
  return { reportedAtMs, receivedAtMs: undefined, receivingSinceMs: undefined, address };
}

/**
 * Since when the silence of a node means something: all witnesses must have watched, because another one may receive
 * from it. Now, where one of them has no fresh report, or had no room for this node.
 */
function watchedSinceMs(reports: readonly WitnessReport[], addresses: readonly string[], nowMs: number): number {
  const covers = ({ reportedAtMs, isComplete, received }: WitnessReport) =>
    reportedAtMs >= nowMs - FRESH_MS && (isComplete || addresses.some((address) => received.has(address)));
  if (!reports.every(covers)) return nowMs;
  return Math.max(...reports.map(({ watchingSinceMs }) => watchingSinceMs));
}
