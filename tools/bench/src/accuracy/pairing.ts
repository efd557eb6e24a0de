/**
 * Matches reports with captured exchanges one to one, or refuses. Pure.
 *
 * 1. The k-th report belongs to the k-th exchange only when there are equally many, and each report's own time or
 *    sequence number agrees: a mispairing is an error, never a figure.
 * 2. An exchange whose request was sent more than once is left out with its report, and counted, because its round trip
 *    is ambiguous.
 */
import { NS_PER_MS } from "@lifeline/measure";
import { BenchError } from "../bench-error.ts";
import type { Exchange } from "../captured-exchange.ts";
import type { Report } from "../prober-report.ts";

/** One reported round trip and the captured one. */
export interface Pair {
  /** Reported less captured, ms. */
  readonly biasMs: number;
  /** As captured, ms. */
  readonly truthMs: number;
}

/** All pairs in order. */
export interface Pairing {
  readonly pairs: readonly Pair[];
  /** Reports left out because a request was sent again. */
  readonly excluded: number;
}

/** How far a SYN may be outside its report's times: another process reads the wall time, in whole ms. */
const TOLERANCE_MS = 2;

/** Pairs TCP reports with handshakes, by order and by time. Throws `mispaired`. */
export function pairHandshakes(reports: readonly Report[], handshakes: readonly Exchange[]): Pairing {
  if (reports.length !== handshakes.length) {
    throw new BenchError("mispaired", `${reports.length} reports, but ${handshakes.length} handshakes were captured`);
  }
  return pairUp(reports, handshakes, ({ startedAtMs, endedAtMs }, { sentNs }) => {
    const sentMs = Number(sentNs / 1_000n) / 1_000;
    return sentMs >= startedAtMs - TOLERANCE_MS && sentMs <= endedAtMs + TOLERANCE_MS;
  });
}

/**
 * Pairs fping's round trips, in the order it reports them, with echoes of sequence number 0, 1, … Echoes may go on
 * after the last report: fping is ended between two of its reports. Throws `mispaired`.
 */
export function pairEchoes(rttsNs: readonly number[], echoes: readonly Exchange[]): Pairing {
  if (echoes.length < rttsNs.length) {
    throw new BenchError("mispaired", `${rttsNs.length} reports, but ${echoes.length} echoes were captured`);
  }
  const reports = rttsNs.map((rttNs, sequence) => ({ rttNs, sequence }));
  return pairUp(reports, echoes, ({ sequence }, { name }) => name === sequence);
}

function pairUp<T extends { readonly rttNs: number }>(
  reports: readonly T[],
  exchanges: readonly Exchange[],
  agree: (report: T, exchange: Exchange) => boolean,
): Pairing {
  const pairs: Pair[] = [];
  for (const [index, report] of reports.entries()) {
    const exchange = exchanges[index];
    if (exchange === undefined || !agree(report, exchange)) {
      throw new BenchError("mispaired", `report ${index} is not of exchange ${index} (${exchange?.name ?? "none"})`);
    }
    if (exchange.requests > 1) continue;
    if (exchange.rttNs === undefined)
      throw new BenchError("mispaired", `exchange ${index} was reported, but no answer captured`);
    pairs.push({ biasMs: (report.rttNs - exchange.rttNs) / NS_PER_MS, truthMs: exchange.rttNs / NS_PER_MS });
  }
  return { pairs, excluded: reports.length - pairs.length };
}
