/** One report of a witness: what is wrong with it, and what it says. */
import { canonicalAddress, literalFamily } from "@lifeline/catalogue";
import type { witnessPb } from "@lifeline/wire";

/** Most sources of one report: what its sender keeps to. */
export const MAX_SOURCES = 4_096;

const WITNESS_ID_BYTES = 16;

/** Longest age that is believed, ms: a week, beyond which nothing that is judged reaches. */
const MAX_AGO_MS = 7 * 24 * 3_600_000;

/** How long a source may pause and still be received without a break, ms: five reports, at one a second. */
const PAUSE_MAX_MS = 5_000;

/** When a witness last received from an address, and since when without a pause; ms since the epoch. */
export interface Reception {
  readonly atMs: number;
  readonly sinceMs: number;
}

/** What a witness reported last. Times are ms since the epoch by the collector's clock. */
export interface WitnessReport {
  readonly watchingSinceMs: number;
  readonly reportedAtMs: number;
  /** By address. */
  readonly received: ReadonlyMap<string, Reception>;
  /** Whether it had room for every source. */
  readonly isComplete: boolean;
}

/** What is wrong with a report, by field; undefined: nothing. */
export function witnessProblem({ witnessId, watchedMs, sources }: witnessPb.WitnessRequest): string | undefined {
  if (witnessId.length !== WITNESS_ID_BYTES) {
    return `witness.witness_id: got ${witnessId.length} bytes, want ${WITNESS_ID_BYTES} bytes`;
  }
  if (watchedMs > BigInt(Number.MAX_SAFE_INTEGER)) return `witness.watched_ms: got ${watchedMs}, want a duration in ms`;
  if (sources.length > MAX_SOURCES) {
    return `witness.sources: got ${sources.length} entries, want at most ${MAX_SOURCES}`;
  }
  const at = sources.findIndex(({ address, port }) => literalFamily(address) === undefined || port > 65_535);
  return at < 0
    ? undefined
    : `witness.sources[${at}]: got no address literal with a port, want such as 192.0.2.1 and 51820`;
}

/**
 * Reads a report without a problem. It says how long ago, so that no clock but the collector's counts (M2). `previous`:
 * that of the same witness.
 */
export function readWitnessReport(
  request: witnessPb.WitnessRequest,
  nowMs: number,
  previous: WitnessReport | undefined,
): WitnessReport {
  const { watchedMs, sources, droppedSources } = request;
  const received = new Map<string, Reception>();
  for (const { address: given, receivedAgoMs } of sources) {
    const address = canonicalAddress(given) ?? given;
    const atMs = nowMs - Math.min(Number(receivedAgoMs), MAX_AGO_MS);
    if (atMs < (received.get(address)?.atMs ?? 0)) continue;
    const before = previous?.received.get(address);
    const isSame = before !== undefined && atMs - before.atMs <= PAUSE_MAX_MS;
    received.set(address, { atMs, sinceMs: isSame ? before.sinceMs : atMs });
  }
  const isComplete = droppedSources === 0n;
  return { watchingSinceMs: nowMs - Number(watchedMs), reportedAtMs: nowMs, received, isComplete };
}
