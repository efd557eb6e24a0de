/**
 * What can be wrong on the path between one node and everything else, and the firewall rules that make it so. Pure.
 *
 * 1. Rules stand in the hop's forward hook, never in the sender's output: there a drop makes `send()` fail.
 * 2. A rule matches the node's own addresses, both families, and nothing of another node.
 * 3. *forward* is from the node, *return* is to it. A port is always the server's: the destination's forward, the
 *    source's on return.
 */
import { LabError } from "../../lab-error.ts";
import type { DualAddress } from "./address-plan.ts";

/** Which way. Default everywhere: both. */
export type FaultDirection = "both" | "forward" | "return";

/** Which packets of the node; without any member, all of them. */
export interface Traffic {
  readonly protocol?: "tcp" | "udp" | "icmp";
  /** The server's port, 1–65,535; needs protocol tcp or udp. */
  readonly port?: number;
  /** The server's address, IPv4 or IPv6; default: any. */
  readonly host?: string;
  /** Only datagrams whose first byte is a WireGuard message type, 1–4; needs protocol udp. Default: false. */
  readonly wireguardOnly?: boolean;
}

/** How a firewall refuses: the three ICMP errors, or a TCP reset. */
export type Refusal = "port-unreachable" | "admin-prohibited" | "host-unreachable" | "tcp-reset";

/** One thing wrong on the path. */
export type PathFaultSpec =
  /** Vanishes without a word. */
  | { readonly kind: "drop"; readonly traffic: Traffic; readonly direction?: FaultDirection }
  /** Refused with an error to the sender; default direction: forward. */
  | {
      readonly kind: "reject";
      readonly traffic: Traffic;
      readonly refusal: Refusal;
      readonly direction?: FaultDirection;
    }
  /** The connection is made, and reset by the first packet of more than 100 bytes that the node sends on it. */
  | { readonly kind: "midstream-reset"; readonly port: number; readonly host?: string }
  /** Each packet is lost by chance, independently; `ratio` 0–1, in steps of 0.00001. */
  | {
      readonly kind: "loss";
      readonly ratio: number;
      readonly traffic?: Traffic;
      readonly direction?: FaultDirection;
    }
  /** Packets larger than `maxBytes` (IP header included) are dropped without an ICMP error. */
  | {
      readonly kind: "mtu-black-hole";
      readonly maxBytes: number;
      readonly traffic?: Traffic;
      readonly direction?: FaultDirection;
    }
  /** A bottleneck of `bitsPerSecond` with a queue of `queueMs` (default 50), by tbf. */
  | {
      readonly kind: "rate";
      readonly bitsPerSecond: number;
      readonly queueMs?: number;
      readonly direction?: FaultDirection;
    }
  /**
   * Redirects the node's packets to a port (of `host`, or of any host) to another address and port of the same family.
   * It applies to new connections. A UDP flow keeps its destination until it has been idle for 30 s
   * (nf_conntrack_udp_timeout).
   */
  | {
      readonly kind: "redirect";
      readonly protocol: "tcp" | "udp";
      readonly port: number;
      readonly host?: string;
      readonly to: { readonly address: string; readonly port: number };
    };

/** A fault that nftables makes; `rate` is the queue discipline's. */
export type RuleFaultSpec = Exclude<PathFaultSpec, { readonly kind: "rate" }>;

/** Resolution of random loss: a chance of one in this many. */
const LOSS_STEPS = 100_000;
/**
 * Larger than any SYN, ACK or FIN, smaller than a TLS ClientHello or an h2 preface in its packet: 40 + 60 bytes of
 * headers.
 */
const BARE_SEGMENT_MAX_BYTES = 100;
const PORT_MAX = 65_535;

/** The nftables file whose table `table` applies `spec` to the node with these addresses. Throws `bad-input`. */
export function faultRules(table: string, node: DualAddress, spec: RuleFaultSpec): string {
  const redirect = spec.kind === "redirect";
  const hook = redirect
    ? "type nat hook prerouting priority dstnat; policy accept;"
    : "type filter hook forward priority filter; policy accept;";
  const rules = redirect ? [redirectRule(node, spec)] : filterRules(node, spec);
  return [
    `table inet ${table} {`,
    "  chain path {",
    `    ${hook}`,
    ...rules.map((r) => `    ${r}`),
    "  }",
    "}",
    "",
  ].join("\n");
}

type FilterFaultSpec = Exclude<RuleFaultSpec, { readonly kind: "redirect" }>;

function filterRules(node: DualAddress, spec: FilterFaultSpec): string[] {
  const { traffic, condition, action, direction } = partsOf(spec);
  const ways = direction === "both" ? (["forward", "return"] as const) : [direction];
  return ways.flatMap((way) =>
    (["ip", "ip6"] as const).flatMap((family) => {
      if (traffic.host !== undefined && familyOf(traffic.host) !== family) return [];
      const address = family === "ip" ? node.ipv4 : node.ipv6;
      return [[...match(family, address, way, traffic), ...condition, "counter", action].join(" ")];
    }),
  );
}

interface RuleParts {
  readonly traffic: Traffic;
  readonly condition: readonly string[];
  readonly action: string;
  readonly direction: FaultDirection;
}

function partsOf(spec: FilterFaultSpec): RuleParts {
  switch (spec.kind) {
    case "drop":
      return { traffic: spec.traffic, condition: [], action: "drop", direction: spec.direction ?? "both" };
    case "reject":
      return { traffic: spec.traffic, condition: [], action: rejection(spec), direction: spec.direction ?? "forward" };
    case "midstream-reset": {
      const traffic = { protocol: "tcp", port: spec.port, ...(spec.host && { host: spec.host }) } as const;
      const condition = ["tcp flags & (syn|rst|fin) == 0", `meta length > ${BARE_SEGMENT_MAX_BYTES}`];
      return { traffic, condition, action: "reject with tcp reset", direction: "forward" };
    }
    case "loss": {
      const { ratio, traffic = {}, direction = "both" } = spec;
      if (!(ratio >= 0 && ratio <= 1)) refuse("ratio", ratio, "0 to 1");
      const condition = [`numgen random mod ${LOSS_STEPS} < ${Math.round(ratio * LOSS_STEPS)}`];
      return { traffic, condition, action: "drop", direction };
    }
    case "mtu-black-hole": {
      const { maxBytes, traffic = {}, direction = "both" } = spec;
      if (!Number.isInteger(maxBytes) || maxBytes < 1) refuse("maxBytes", maxBytes, "a whole number from 1");
      return { traffic, condition: [`meta length > ${maxBytes}`], action: "drop", direction };
    }
  }
}

function rejection({ refusal, traffic }: Extract<PathFaultSpec, { kind: "reject" }>): string {
  if (refusal !== "tcp-reset") return `reject with icmpx type ${refusal}`;
  if (traffic.protocol !== "tcp") refuse("traffic.protocol", traffic.protocol, "tcp, for a tcp-reset");
  return "reject with tcp reset";
}

function match(family: "ip" | "ip6", node: string, way: "forward" | "return", traffic: Traffic): string[] {
  const [own, others, port] = way === "forward" ? ["saddr", "daddr", "dport"] : ["daddr", "saddr", "sport"];
  const words = [`${family} ${own} ${node}`];
  if (traffic.host !== undefined) words.push(`${family} ${others} ${traffic.host}`);
  if (traffic.protocol === "icmp") words.push(`meta l4proto ${family === "ip" ? "icmp" : "ipv6-icmp"}`);
  else if (traffic.protocol !== undefined) words.push(`meta l4proto ${traffic.protocol}`);
  if (traffic.port !== undefined) words.push(`${transportOf(traffic)} ${port} ${checkedPort(traffic.port)}`);
  if (traffic.wireguardOnly === true) {
    if (traffic.protocol !== "udp") refuse("traffic.protocol", traffic.protocol, "udp, for wireguardOnly");
    // The byte after the UDP header of 8.
    words.push("@th,64,8 1-4");
  }
  return words;
}

function transportOf({ protocol }: Traffic): "tcp" | "udp" {
  if (protocol === "tcp" || protocol === "udp") return protocol;
  return refuse("traffic.protocol", protocol, "tcp or udp, for a port");
}

function redirectRule(node: DualAddress, spec: Extract<PathFaultSpec, { kind: "redirect" }>): string {
  const { address, port } = spec.to;
  const family = familyOf(address);
  if (spec.host !== undefined && familyOf(spec.host) !== family) refuse("host", spec.host, "of the family of `to`");
  const { protocol, host } = spec;
  const words = match(family, family === "ip" ? node.ipv4 : node.ipv6, "forward", {
    protocol,
    port: spec.port,
    ...(host !== undefined && { host }),
  });
  const target = family === "ip" ? address : `[${address}]`;
  return [...words, "counter", `dnat ${family} to ${target}:${checkedPort(port)}`].join(" ");
}

function familyOf(address: string): "ip" | "ip6" {
  // These go into a rule file word by word.
  if (/^[0-9.]+$/.test(address)) return "ip";
  return /^[0-9a-fA-F:.]+$/.test(address) ? "ip6" : refuse("address", address, "an IPv4 or IPv6 address");
}

function checkedPort(port: number): number {
  return Number.isInteger(port) && port >= 1 && port <= PORT_MAX ? port : refuse("port", port, `1 to ${PORT_MAX}`);
}

function refuse(field: string, value: unknown, expected: string): never {
  throw new LabError("bad-input", `${field}: ${value} is not right; expected ${expected}`);
}
