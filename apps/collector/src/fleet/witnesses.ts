/**
 * What witnesses beside Omni received from each source, and so from each node.
 *
 * 1. Everything is bounded: witnesses, sources of each, and the age of reports (S2).
 * 2. Times are this collector's: a report says how long ago, so no clock but this one is needed (M2).
 * 3. An address that two nodes share, or a witness that had no room for every source, says nothing of a silent one
 *    (M4). Nor does a claim of an address that is another node's (address-owners.ts).
 */
import type { Clock } from "@lifeline/measure";
import type { WitnessView } from "@lifeline/verdict";
import { type AddressOwners, addressesOf, addressOwners, type ContestedClaims, UNCONTESTED } from "./address-owners.ts";
import { isActive, type Node, nodeNowMs } from "./node.ts";
import type { WitnessReport } from "./witness-report.ts";
import { witnessView } from "./witness-view.ts";

/** Most witnesses: one beside each of an Omni's hosts. */
export const MAX_WITNESSES = 16;

/** After how long without a report a witness counts as gone, ms: sixty missed ones. */
export const GONE_AFTER_MS = 60_000;

/** How long an index of addresses is used, ms: as long as a witness's report. */
const OWNERS_FOR_MS = 1_000;

/** What the latest reports add up to. */
export interface WitnessTotals {
  readonly witnesses: number;
  readonly sources: number;
  /** Wall time of the latest report, ms; undefined: none. */
  readonly lastReportMs: number | undefined;
  /** Of the active nodes, within the last second; none while no witness reports. */
  readonly contested: ContestedClaims;
}

interface WitnessParts {
  readonly clock: Pick<Clock, "wallMs">;
  readonly nodes: ReadonlyMap<string, Node>;
  /** Whether nodes' streams are authenticated: on a plaintext listener no address is proven. */
  readonly areProven: boolean;
}

/** The latest report of each witness. */
export class Witnesses {
  readonly #parts: WitnessParts;
  readonly #reports = new Map<string, WitnessReport>();
  #owners: { readonly atMs: number; readonly index: AddressOwners } | undefined;

  constructor(parts: WitnessParts) {
    this.#parts = parts;
  }

  /** Takes a report of a witness (hexadecimal id); false: there is no room for one more. */
  add(witnessId: string, report: WitnessReport): boolean {
    const { reportedAtMs: nowMs } = report;
    for (const [id, { reportedAtMs }] of this.#reports) if (isGone(reportedAtMs, nowMs)) this.#reports.delete(id);
    if (!this.#reports.has(witnessId) && this.#reports.size >= MAX_WITNESSES) return false;
    this.#reports.set(witnessId, report);
    return true;
  }

  /** What witnesses received from the node, on the node's clock; undefined: no usable report. */
  viewOf(node: Node): WitnessView | undefined {
    const nowMs = this.#parts.clock.wallMs();
    const reports = this.#current(nowMs);
    // Most fleets have no witness, and nothing is computed then.
    if (reports.length === 0) return undefined;
    const owners = this.#ownersAt(nowMs);
    const addresses = addressesOf(node).filter((address) => owners.isOwn(address, node.nodeId));
    const view = witnessView(reports, addresses, nowMs);
    return view && onClockOf(node, view, nowMs);
  }

  /** The latest report of a witness. */
  reportOf(witnessId: string): WitnessReport | undefined {
    return this.#reports.get(witnessId);
  }

  totals(): WitnessTotals {
    const nowMs = this.#parts.clock.wallMs();
    const reports = this.#current(nowMs);
    const hasReports = reports.length > 0;
    return {
      witnesses: reports.length,
      sources: reports.reduce((sum, { received }) => sum + received.size, 0),
      contested: hasReports ? this.#ownersAt(nowMs).contested : UNCONTESTED,
      lastReportMs: hasReports ? Math.max(...reports.map(({ reportedAtMs }) => reportedAtMs)) : undefined,
    };
  }

  #current(nowMs: number): readonly WitnessReport[] {
    return [...this.#reports.values()].filter(({ reportedAtMs }) => !isGone(reportedAtMs, nowMs));
  }

  /**
   * Cached: the whole fleet is indexed once a second. A node that lost the collector may still be received by a
   * witness.
   */
  #ownersAt(nowMs: number): AddressOwners {
    const { nodes, areProven } = this.#parts;
    const known = this.#owners;
    if (known !== undefined && nowMs >= known.atMs && nowMs - known.atMs < OWNERS_FOR_MS) return known.index;
    const active = [...nodes.values()].filter((node) => isActive(node, nowMs));
    const index = addressOwners(active, areProven);
    this.#owners = { atMs: nowMs, index };
    return index;
  }
}

/**
 * By the distance: a witness from the future reported before this clock was set back, and nothing says how long ago.
 */
function isGone(reportedAtMs: number, nowMs: number): boolean {
  return Math.abs(nowMs - reportedAtMs) > GONE_AFTER_MS;
}

function onClockOf(node: Node, view: WitnessView, wallMs: number): WitnessView {
  const behindMs = wallMs - nodeNowMs(node, wallMs);
  const onClock = (atMs: number | undefined) => (atMs === undefined ? undefined : atMs - behindMs);
  return {
    ...view,
    watchingSinceMs: view.watchingSinceMs - behindMs,
    reportedAtMs: view.reportedAtMs - behindMs,
    receivedAtMs: onClock(view.receivedAtMs),
    receivingSinceMs: onClock(view.receivingSinceMs),
  };
}
