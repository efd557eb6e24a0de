/**
 * Counts WireGuard's datagrams by source, from what the kernel counts in its sets. A count never falls.
 *
 * 1. An element that timed out in the kernel starts again at one. What it had counted before is added (S2 bounds for
 *    how long).
 * 2. A source was last received from when its count was last seen to grow, by the monotonic clock (M2).
 */
import { NS_PER_MS } from "@lifeline/measure";
import type { SetElement } from "./nft-set.ts";

/** One source, as it is reported. `packets` is the sum over all elements that this source has had. */
export interface ReportedSource extends SetElement {
  readonly receivedAgoMs: number;
}

/** Most sources in one report. The rest, those received from longest ago, are counted as dropped. */
export const REPORTED_SOURCES_MAX = 4_096;

/** Most sources that are remembered: what the kernel's two sets hold together. */
const REMEMBERED_MAX = 131_072;

/** How long a silent source is remembered, ms: the ten minutes of the kernel's sets and one more. */
const REMEMBERED_MS = 11 * 60_000;

interface Remembered {
  readonly address: string;
  readonly port: number;
  /** Counted by elements that have timed out. */
  before: number;
  /** Counted by the present element. */
  now: number;
  receivedNs: number;
}

/** The counts of all sources. */
export class SourceLedger {
  readonly #sources = new Map<string, Remembered>();
  /** Sources of the last reading for which there was no room. */
  #overflow = 0;

  /** Takes the elements of the sets as they were at `nowNs`, monotonic. */
  read(elements: readonly SetElement[], nowNs: number): void {
    this.#overflow = 0;
    for (const element of elements) this.#count(element, nowNs);
    for (const [key, { receivedNs }] of this.#sources) {
      if (nowNs - receivedNs > REMEMBERED_MS * NS_PER_MS) this.#sources.delete(key);
    }
  }

  /** The sources, the last received from first, and the number of those that did not fit. */
  report(nowNs: number): { readonly sources: readonly ReportedSource[]; readonly dropped: number } {
    const latest = [...this.#sources.values()].sort((a, b) => b.receivedNs - a.receivedNs);
    const sources = latest.slice(0, REPORTED_SOURCES_MAX).map(({ address, port, before, now, receivedNs }) => ({
      address,
      port,
      packets: before + now,
      receivedAgoMs: Math.max(0, Math.round((nowNs - receivedNs) / NS_PER_MS)),
    }));
    return { sources, dropped: this.#overflow + Math.max(0, latest.length - REPORTED_SOURCES_MAX) };
  }

  #count({ address, port, packets }: SetElement, nowNs: number): void {
    const key = `${address} ${port}`;
    const known = this.#sources.get(key);
    if (known === undefined) {
      if (this.#sources.size >= REMEMBERED_MAX) this.#overflow += 1;
      else this.#sources.set(key, { address, port, before: 0, now: packets, receivedNs: nowNs });
      return;
    }
    if (packets === known.now) return;
    if (packets < known.now) known.before += known.now;
    known.now = packets;
    known.receivedNs = nowNs;
  }
}
