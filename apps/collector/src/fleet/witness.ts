/**
 * What witnesses beside Omni have heard of each source, and what that says of a node.
 *
 * 1. Everything is bounded: witnesses, sources of each, and the age of what is believed (S2).
 * 2. Times are this collector's: a report says how long ago, so no clock but this one is needed (M2).
 * 3. An address that two nodes share, or a witness that had no room for every source, says nothing of a silent one (M4). Nor does a claim
 *    of an address that is another node's (address-owners.ts).
 */
import { canonicalAddress, literalFamily } from "@lifeline/catalogue";
import type { Clock } from "@lifeline/measure";
import { RpcError, RpcStatus, type ServiceImplementation } from "@lifeline/rpc";
import type { WitnessView } from "@lifeline/verdict";
import type { witnessPb } from "@lifeline/wire";
import { type AddressOwners, addressesOf, addressOwners, type ContestedClaims, UNCONTESTED } from "./address-owners.ts";
import type { Node } from "./fleet.ts";
import { isActive, nodeNowMs } from "./fleet.ts";

/** Most witnesses: one beside each of an Omni's hosts. */
export const MAX_WITNESSES = 16;

/** Most sources of one report: what its sender keeps to. */
export const MAX_SOURCES = 4_096;

/** After how long without a report a witness is forgotten, ms: sixty missed ones. */
export const FORGOTTEN_AFTER_MS = 60_000;

/** How old a witness's word may be to mean something of now, ms: five missed reports. */
const FRESH_MS = 5_000;

/** Bytes of a witness's id. */
const WITNESS_ID_BYTES = 16;

/** Longest age that is believed, ms: a week, beyond which nothing that is judged reaches. */
const MAX_AGO_MS = 7 * 24 * 3_600_000;

/** One witness. */
interface Witness {
  watchingSinceMs: number;
  reportedAtMs: number;
  /** Address → wall time at which it was last heard, ms. */
  receivedAtMs: ReadonlyMap<string, number>;
  /** Whether it had room for every source. */
  isComplete: boolean;
}

/** What became of the reports. */
export interface WitnessCounts {
  readonly reports: number;
  readonly refused: number;
  readonly witnesses: number;
  readonly sources: number;
  /** Wall time of the latest report, ms; undefined: none. */
  readonly lastReportMs: number | undefined;
  /** Of the active nodes, within the last second; none while no witness reports. */
  readonly contested: ContestedClaims;
}

/** All witnesses. */
export interface Witnesses {
  readonly service: ServiceImplementation<typeof witnessPb.WitnessService>;
  /** What they say of the node, on the node's clock; undefined: nothing that could be believed. */
  viewOf(node: Node): WitnessView | undefined;
  counts(): WitnessCounts;
}

/** What witnesses need. */
export interface WitnessParts {
  readonly clock: Clock;
  readonly nodes: ReadonlyMap<string, Node>;
  /** Whether nodes' streams are authenticated: on a plaintext listener no address is proven. */
  readonly areProven: boolean;
  /** A report has come. */
  readonly onReport: () => void;
}

export function createWitnesses({ clock, nodes, areProven, onReport }: WitnessParts): Witnesses {
  const witnesses = new Map<string, Witness>();
  let reports = 0;
  let refused = 0;
  const forget = (nowMs: number) => {
    for (const [id, { reportedAtMs }] of witnesses) {
      // One from the future has reported before this clock was set back: nothing says how long ago.
      if (Math.abs(nowMs - reportedAtMs) > FORGOTTEN_AFTER_MS) witnesses.delete(id);
    }
  };
  let owners: AddressOwners | undefined;
  let ownersAtMs = Number.NEGATIVE_INFINITY;
  /** Who has which address, looked up once a second for the whole fleet. A node that has lost the collector may be heard there still. */
  const ownersNow = (nowMs: number): AddressOwners => {
    const isStale = nowMs - ownersAtMs >= OWNERS_FOR_MS || nowMs < ownersAtMs;
    if (owners !== undefined && !isStale) return owners;
    ownersAtMs = nowMs;
    owners = addressOwners(
      [...nodes.values()].filter((node) => isActive(node, nowMs)),
      areProven,
    );
    return owners;
  };
  const refuse = (status: (typeof RpcStatus)[keyof typeof RpcStatus], message: string): never => {
    refused += 1;
    throw new RpcError(status, message);
  };
  return {
    service: {
      async witness(request) {
        const problem = problemOf(request);
        if (problem !== undefined) refuse(RpcStatus.INVALID_ARGUMENT, problem);
        const nowMs = clock.wallMs();
        forget(nowMs);
        const id = Buffer.from(request.witnessId).toString("hex");
        if (!witnesses.has(id) && witnesses.size >= MAX_WITNESSES) {
          refuse(RpcStatus.RESOURCE_EXHAUSTED, `witness: got one more, want at most ${MAX_WITNESSES}`);
        }
        witnesses.set(id, witnessOf(request, nowMs));
        reports += 1;
        onReport();
        return {};
      },
    },
    viewOf(node) {
      const nowMs = clock.wallMs();
      forget(nowMs);
      // Most sites have no witness, and nothing is looked for then.
      if (witnesses.size === 0) return undefined;
      const owners = ownersNow(nowMs);
      const addresses = addressesOf(node).filter((address) => owners.isOwn(address, node.nodeId));
      if (addresses.length === 0) return undefined;
      const views = [...witnesses.values()].flatMap((witness) => viewBy(witness, addresses) ?? []);
      const latest = views.sort((a, b) => (b.receivedAtMs ?? 0) - (a.receivedAtMs ?? 0))[0];
      if (latest === undefined) return undefined;
      const behindMs = nowMs - nodeNowMs(node, nowMs);
      const { address, reportedAtMs, receivedAtMs } = latest;
      const watchingSinceMs = watchedSinceMs([...witnesses.values()], addresses, nowMs);
      return {
        address,
        watchingSinceMs: watchingSinceMs - behindMs,
        reportedAtMs: reportedAtMs - behindMs,
        receivedAtMs: receivedAtMs === undefined ? undefined : receivedAtMs - behindMs,
      };
    },
    counts: () => {
      const nowMs = clock.wallMs();
      forget(nowMs);
      const all = [...witnesses.values()];
      return {
        reports,
        refused,
        witnesses: all.length,
        sources: all.reduce((sum, { receivedAtMs }) => sum + receivedAtMs.size, 0),
        contested: all.length === 0 ? UNCONTESTED : ownersNow(nowMs).contested,
        lastReportMs: all.length === 0 ? undefined : Math.max(...all.map(({ reportedAtMs }) => reportedAtMs)),
      };
    },
  };
}

/** What is wrong with a report, by field; undefined: nothing. */
function problemOf({ witnessId, watchedMs, sources }: witnessPb.WitnessRequest): string | undefined {
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

function witnessOf({ watchedMs, sources, droppedSources }: witnessPb.WitnessRequest, nowMs: number): Witness {
  const receivedAtMs = new Map<string, number>();
  for (const { address: given, receivedAgoMs } of sources) {
    const address = canonicalAddress(given) ?? given;
    const atMs = nowMs - Math.min(Number(receivedAgoMs), MAX_AGO_MS);
    receivedAtMs.set(address, Math.max(receivedAtMs.get(address) ?? 0, atMs));
  }
  const isComplete = droppedSources === 0n;
  return { watchingSinceMs: nowMs - Number(watchedMs), reportedAtMs: nowMs, receivedAtMs, isComplete };
}

/** How long an index of addresses is good for, ms: as long as a witness's report. */
const OWNERS_FOR_MS = 1_000;

/**
 * Since when the silence of a node means something: all witnesses must have watched, for it may be heard by another of them. Now, where
 * one of them has no fresh word, or had no room for this node.
 */
function watchedSinceMs(witnesses: readonly Witness[], addresses: readonly string[], nowMs: number): number {
  const speaks = ({ reportedAtMs, isComplete, receivedAtMs }: Witness) =>
    reportedAtMs >= nowMs - FRESH_MS && (isComplete || addresses.some((address) => receivedAtMs.has(address)));
  if (!witnesses.every(speaks)) return nowMs;
  return Math.max(...witnesses.map(({ watchingSinceMs }) => watchingSinceMs));
}

type View = Pick<Witness, "reportedAtMs"> & {
  readonly receivedAtMs: number | undefined;
  readonly address: string;
};

function viewBy({ reportedAtMs, receivedAtMs, isComplete }: Witness, addresses: readonly string[]): View | undefined {
  const heard = addresses.flatMap((address) => {
    const atMs = receivedAtMs.get(address);
    return atMs === undefined ? [] : [{ address, atMs }];
  });
  const latest = heard.sort((a, b) => b.atMs - a.atMs)[0];
  if (latest !== undefined) return { reportedAtMs, receivedAtMs: latest.atMs, address: latest.address };
  const [address] = addresses;
  return isComplete && address !== undefined ? { reportedAtMs, receivedAtMs: undefined, address } : undefined;
}
