/** What the Machine API's own samples say about a dead tunnel. */
import type { ProbeKind } from "@lifeline/measure";
import { type Entry, hasAnsweredSince, isAt } from "../entry.ts";
import { type DeadTunnel, IN_FLIGHT_MS } from "./dead-tunnel.ts";
import { beganBefore } from "./onset.ts";

/** The Machine API while the tunnel is dead. */
export type MachineApiState =
  /** It has answered since the onset, so Omni is alive. */
  | { readonly kind: "answers" }
  /** It has failed since about the onset: `root` is its lowest fault. */
  | { readonly kind: "explains"; readonly root: Entry }
  /** It fails, and the tunnel worked meanwhile, or died before. */
  | { readonly kind: "unrelated"; readonly root: Entry }
  /** No sample since the onset decides. Older ones prove nothing about now. */
  | { readonly kind: "unknown" };

/** Layer of each probe: a lower one that fails at the same endpoint explains a higher one. 0: no such order. */
export const LAYER: Readonly<Record<ProbeKind, number>> = {
  dns: 0,
  udp: 0,
  stamp: 0,
  link: 0,
  mtu: 0,
  ntp: 0,
  tcp: 1,
  tls: 2,
  nts: 3,
  http: 3,
  grpc: 3,
  registry: 3,
};

/** The state of the Machine API. `isCarrier`: the tunnel is carried over it, so that it cannot come back without it. */
export function machineApiState(entries: readonly Entry[], dead: DeadTunnel, isCarrier: boolean): MachineApiState {
  const outer = entries.filter(isMachineApi);
  const stream = outer.find(({ cause }) => cause === "grpc-tunnel-stalled");
  if (stream !== undefined) return { kind: "explains", root: stream };
  const top = Math.max(...outer.map(layerOf));
  if (outer.some((one) => layerOf(one) === top && hasAnsweredSince(one, dead.sinceMs + IN_FLIGHT_MS))) {
    return { kind: "answers" };
  }
  const failing = outer.filter(({ verdict }) => verdict === "unmet").sort((a, b) => layerOf(a) - layerOf(b));
  const [first] = failing;
  // A higher layer only shows the fault of the lowest one, later and for longer.
  const lowest = failing.filter((one) => first !== undefined && layerOf(one) === layerOf(first));
  const root = lowest.find((one) => explains(one, dead, isCarrier));
  if (root !== undefined) return { kind: "explains", root };
  const isPending = outer.some((one) => one.verdict !== "unmet" && isLatestBad(one));
  return first === undefined || isPending ? { kind: "unknown" } : { kind: "unrelated", root: first };
}

/** Whether the entry is a target of the Machine API by the path that the node uses. */
export function isMachineApi(entry: Entry): boolean {
  return isAt(entry, "machine-api") && !entry.comparison;
}

/**
 * Whether a fault of the Machine API can be that of the tunnel: it began before, and the tunnel did not work meanwhile
 * (J3). A tunnel that is up needs no Machine API, unless it is carried over it.
 */
export function explains(
  outer: Entry,
  { sinceMs, workedAtMs }: Pick<DeadTunnel, "sinceMs" | "workedAtMs">,
  isCarrier: boolean,
): boolean {
  if (!beganBefore(outer, sinceMs, outer.target.timeoutMs)) return false;
  const refutedFromMs = outer.onsetMs + outer.target.timeoutMs + IN_FLIGHT_MS;
  return isCarrier || workedAtMs === undefined || workedAtMs <= refutedFromMs;
}

function layerOf({ target: { options } }: Entry): number {
  return LAYER[options.probe];
}

function isLatestBad({ own: { lookback } }: Entry): boolean {
  return lookback.last?.run.outcomeClass === "bad";
}
