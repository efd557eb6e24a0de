/** Faults as objects: injected, cleared, and counted while they act. */
import type { InsertedWire } from "../../path/delay-wire.ts";
import type { DualAddress } from "./address-plan.ts";
import type { Host } from "./host.ts";
import { hopInterface } from "./net-link.ts";
import { type FaultDirection, faultRules, type PathFaultSpec, type RuleFaultSpec } from "./path-fault.ts";
import type { Tunnel } from "./wireguard-tunnel.ts";

/** One fault of one node. */
export interface NetFault {
  /** Makes it so; nothing happens when it is. */
  inject(): Promise<void>;
  /** Takes it away; nothing happens when it is not there. */
  clear(): Promise<void>;
  /** Packets it has acted upon since it was injected; 0 while it is not, and for faults of the tunnel's ends. */
  hits(): Promise<number>;
}

/**
 * Faults of the tunnel's ends: Omni has removed the peer, the node has no interface, the node's interface has no IPv6.
 */
export type TunnelFault = "stale" | "not-joined" | "no-ipv6";

/** Where a fault is made and whom it meets. */
export interface FaultPlace {
  readonly hop: Host;
  /** The node's name. */
  readonly node: string;
  readonly addresses: DualAddress;
  /** 1, 2, 3 …: tells this fault's rules from any other's. */
  readonly number: number;
}

/** Bytes a token bucket holds beyond its rate: ten full packets. */
const BURST_BYTES = 15_140;
const QUEUE_MS = 50;

/** The fault that `spec` describes, not yet injected. Throws `bad-input` where the description is wrong. */
export function pathFault(place: FaultPlace, spec: PathFaultSpec): NetFault {
  return spec.kind === "rate" ? rateFault(place, spec) : ruleFault(place, spec);
}

/** A slower wire: `delayMs` each way, and `usualMs` again when it is cleared. */
export function delayFault(wire: InsertedWire, delayMs: number, usualMs: number): NetFault {
  return switching({
    inject: async () => wire.setDelay(delayMs),
    clear: async () => wire.setDelay(usualMs),
  });
}

/** A fault of the node's own end of the tunnel, or of Omni's memory of it. */
export function tunnelFault(tunnel: Tunnel, node: string, fault: TunnelFault): NetFault {
  switch (fault) {
    case "stale":
      return switching({ inject: () => tunnel.removePeer(node), clear: () => tunnel.addPeer(node) });
    case "not-joined":
      return switching({ inject: () => tunnel.leave(node), clear: () => tunnel.join(node) });
    case "no-ipv6":
      return switching({ inject: () => tunnel.disableIpv6(node), clear: () => tunnel.enableIpv6(node) });
  }
}

interface Switch {
  inject(): Promise<unknown>;
  clear(): Promise<unknown>;
  hits?(): Promise<number>;
}

/** Makes `inject` and `clear` idempotent: a repeated call does nothing. */
function switching({ inject, clear, hits }: Switch): NetFault {
  let active = false;
  return {
    async inject() {
      if (active) return;
      await inject();
      active = true;
    },
    async clear() {
      if (!active) return;
      await clear();
      active = false;
    },
    hits: async () => (active ? ((await hits?.()) ?? 0) : 0),
  };
}

function ruleFault({ hop, node, addresses, number }: FaultPlace, spec: RuleFaultSpec): NetFault {
  const table = `lifeline_${node}_${number}`;
  const rules = faultRules(table, addresses, spec);
  return switching({
    inject: () => hop.nft(rules),
    clear: () => hop.nft(`delete table inet ${table}\n`),
    hits: async () => countPackets(await hop.run("nft", ["-j", "list", "table", "inet", table])),
  });
}

/** Sum of the packets of all counters in what `nft -j list` prints (libnftables-json(5)). */
export function countPackets(json: string): number {
  const { nftables } = JSON.parse(json) as {
    nftables: { rule?: { expr?: { counter?: { packets: number } }[] } }[];
  };
  const expressions = nftables.flatMap(({ rule }) => rule?.expr ?? []);
  return expressions.reduce((sum, { counter }) => sum + (counter?.packets ?? 0), 0);
}

function rateFault({ hop, node }: FaultPlace, spec: Extract<PathFaultSpec, { kind: "rate" }>): NetFault {
  const { bitsPerSecond, queueMs = QUEUE_MS, direction = "both" } = spec;
  const device = hopInterface(node);
  const intake = `if-${node}`.slice(0, 15);
  const bucket = `tbf rate ${Math.round(bitsPerSecond)}bit burst ${BURST_BYTES} latency ${queueMs}ms`;
  const wants = (way: FaultDirection) => direction === "both" || direction === way;
  return switching({
    async inject() {
      if (wants("return")) await hop.run("tc", words(`qdisc add dev ${device} root ${bucket}`));
      if (!wants("forward")) return;
      // Linux can queue incoming packets only behind an intermediate device.
      await hop.ip(`link add ${intake} type ifb`, `link set ${intake} up`);
      await hop.run("tc", words(`qdisc add dev ${intake} root ${bucket}`));
      await hop.run("tc", words(`qdisc add dev ${device} ingress`));
      const all = "protocol all u32 match u32 0 0 action mirred egress redirect dev";
      await hop.run("tc", words(`filter add dev ${device} parent ffff: ${all} ${intake}`));
    },
    async clear() {
      if (wants("return")) await hop.run("tc", words(`qdisc del dev ${device} root`));
      if (!wants("forward")) return;
      await hop.run("tc", words(`qdisc del dev ${device} ingress`));
      await hop.ip(`link del ${intake}`);
    },
    async hits() {
      const shown = await Promise.all(
        [...(wants("return") ? [device] : []), ...(wants("forward") ? [intake] : [])].map((name) =>
          hop.run("tc", words(`-s -j qdisc show dev ${name} root`)),
        ),
      );
      return shown.reduce((sum, json) => sum + countDrops(json), 0);
    },
  });
}

function countDrops(json: string): number {
  return (JSON.parse(json) as { drops?: number }[]).reduce((sum, { drops }) => sum + (drops ?? 0), 0);
}

const words = (line: string) => line.split(" ");
