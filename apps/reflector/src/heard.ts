/**
 * What the kernel's sets say of WireGuard's datagrams, as a count for each source that never falls.
 *
 * 1. An element that timed out and came back begins at one again: what it had counted before is kept and added to (S2 bounds how long).
 * 2. When a source was heard last is when its count was last seen to grow, by the monotonic clock (M2).
 */

/** One element of a set. */
export interface HeardElement {
  /** Address literal. */
  readonly address: string;
  readonly port: number;
  readonly packets: number;
}

/** One source, as it is reported. */
export interface WitnessSource extends HeardElement {
  readonly receivedAgoMs: number;
}

/** Sources reported at most: the latest heard; more are counted as dropped. */
export const REPORTED_SOURCES_MAX = 4_096;

/** Sources remembered at most; what the kernel's two sets hold together. */
const REMEMBERED_MAX = 131_072;

/** How long a silent source is remembered, ms: the kernel's own ten minutes and one more. */
const FORGOTTEN_AFTER_MS = 11 * 60_000;

const NS_PER_MS = 1e6;

interface Remembered {
  address: string;
  port: number;
  /** Counted by elements before the present one. */
  before: number;
  /** Counted by the present element. */
  now: number;
  heardNs: number;
}

/** A growing account of the sources. */
export interface HeardLedger {
  /** Takes a reading of the sets at `nowNs` (monotonic). */
  read(elements: readonly HeardElement[], nowNs: number): void;
  /** The sources, latest heard first, and how many there was no room for. */
  report(nowNs: number): { readonly sources: readonly WitnessSource[]; readonly dropped: number };
}

/** Creates an empty ledger. */
export function createHeardLedger(): HeardLedger {
  const remembered = new Map<string, Remembered>();
  let overflow = 0;
  const note = ({ address, port, packets }: HeardElement, nowNs: number) => {
    const key = `${address} ${port}`;
    const known = remembered.get(key);
    if (known === undefined) {
      if (remembered.size >= REMEMBERED_MAX) overflow += 1;
      else remembered.set(key, { address, port, before: 0, now: packets, heardNs: nowNs });
      return;
    }
    if (packets === known.now) return;
    if (packets < known.now) known.before += known.now;
    known.now = packets;
    known.heardNs = nowNs;
  };
  return {
    read(elements, nowNs) {
      overflow = 0;
      for (const element of elements) note(element, nowNs);
      for (const [key, { heardNs }] of remembered) {
        if (nowNs - heardNs > FORGOTTEN_AFTER_MS * NS_PER_MS) remembered.delete(key);
      }
    },
    report(nowNs) {
      const latest = [...remembered.values()].sort((a, b) => b.heardNs - a.heardNs);
      const sources = latest.slice(0, REPORTED_SOURCES_MAX).map(({ address, port, before, now, heardNs }) => ({
        address,
        port,
        packets: before + now,
        receivedAgoMs: Math.max(0, Math.round((nowNs - heardNs) / NS_PER_MS)),
      }));
      return { sources, dropped: overflow + Math.max(0, latest.length - REPORTED_SOURCES_MAX) };
    },
  };
}

/** The elements in what `nft -j list set` prints (libnftables-json(5)); what is of another shape is left out. */
export function readElements(json: string): HeardElement[] {
  const { nftables = [] } = JSON.parse(json) as { nftables?: { set?: { elem?: unknown[] } }[] };
  return nftables.flatMap(({ set }) => (set?.elem ?? []).flatMap((element) => elementOf(element) ?? []));
}

function elementOf(element: unknown): HeardElement | undefined {
  const { elem } = element as { elem?: { val?: { concat?: unknown[] }; counter?: { packets?: unknown } } };
  const [address, port] = elem?.val?.concat ?? [];
  const packets = elem?.counter?.packets;
  if (typeof address !== "string" || typeof port !== "number" || typeof packets !== "number") return undefined;
  return { address, port, packets };
}
