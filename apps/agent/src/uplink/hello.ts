/** The first message of a stream: who speaks, and what the node observes of itself. Said again when that has changed. */
import { getServers } from "node:dns";
import { readFileSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import { endpointName, type ProxyEndpoint } from "@lifeline/measure";
import { routeFamilies, siderolinkPrefix } from "@lifeline/probe";
import { reportPb } from "@lifeline/wire";
import type { ProxyEnvironment } from "../proxy-environment.ts";
import type { TalosView } from "../talos/view.ts";
import { asksForGrpcTunnel, machineApiOf, namedPrefixOf } from "./kernel-arguments.ts";
import { nodeAddresses } from "./node-address.ts";
import { printableAscii, resolverAddress } from "./wire-text.ts";

/** The roles a node may have: which requirements apply to it. */
export const NODE_ROLES = ["talos-node", "omni-host"] as const;
export type NodeRole = (typeof NODE_ROLES)[number];

const WIRE_ROLES: Readonly<Record<NodeRole, reportPb.NodeRole>> = {
  "talos-node": reportPb.NodeRole.TALOS_NODE,
  "omni-host": reportPb.NodeRole.OMNI_HOST,
};

/** What a node observes of itself. */
export interface NodeFacts {
  readonly hostname: string;
  /** IP versions the node has a usable route for. */
  readonly ipVersions: readonly number[];
  /**
   * First 64 bits of the siderolink interface's address, such as fdae:41e4:649b:9303; before there is one, of the in-tunnel address on
   * the kernel command line. Empty without either.
   */
  readonly siderolinkPrefix: string;
  /** Whether WireGuard goes through gRPC on the Machine API; undefined where neither interface nor kernel command line tells. */
  readonly grpcTunnel: boolean | undefined;
  /** Such as v1.13.2; empty when the host is not Talos. */
  readonly talosVersion: string;
  /** The resolvers the node uses, as they are written: `address`, `address:port` or `[v6]:port`, or with a zone. */
  readonly resolvers: readonly string[];
  /** The Machine API the node was started with, as scheme, host and port; empty when it was started without one. */
  readonly machineApi: string;
  /** The node's own global unicast addresses, the tunnel's left out; at most ADDRESSES_MAX. */
  readonly addresses: readonly string[];
  /** The proxies of the agent's environment; undefined without one. */
  readonly proxy: Pick<ProxyEnvironment, "https" | "http" | "noProxy"> | undefined;
  /** What Talos says; undefined while it is not asked or does not answer. */
  readonly talos: TalosView | undefined;
}

/** A hello as an init of its message. */
export interface HelloInit {
  readonly nodeId: string;
  readonly bootId: Uint8Array;
  readonly agentVersion: string;
  readonly hostname: string;
  readonly roles: reportPb.NodeRole[];
  readonly ipVersions: number[];
  readonly siderolinkPrefix: string;
  readonly grpcTunnel?: boolean;
  readonly talosVersion: string;
  readonly planRevision: string;
  readonly resolvers: string[];
  readonly machineApi: string;
  readonly addresses: string[];
  readonly proxy?: { readonly httpsProxy: string; readonly httpProxy: string; readonly noProxy: string[] };
  readonly talos?: {
    readonly siderolinkHost: string;
    readonly siderolinkConnected?: boolean;
    readonly wireguardEndpoint: string;
  };
}

/** Who speaks. */
export interface Speaker {
  readonly nodeId: string;
  readonly bootId: Uint8Array;
  readonly agentVersion: string;
  readonly roles: readonly NodeRole[];
}

/** Most resolvers named: twice what glibc uses (resolv.conf(5), MAXNS is 3), and then some. */
export const RESOLVERS_MAX = 8;

/** Longest host name said, characters (RFC 1035 §2.3.4), and longest version: a release name and a build's description. */
const HOSTNAME_MAX_LENGTH = 253;
const VERSION_MAX_LENGTH = 64;

/** Files that tell of the host. */
export interface NodePaths {
  /** The kernel's arguments (proc(5)). What stands there holds a secret: see kernel-arguments.ts. */
  readonly kernelArguments: string;
  /** The interfaces of this process's network namespace (proc(5)); /sys shows those of whoever mounted it. */
  readonly interfaces: string;
  /** IPv6 addresses by interface (proc(5)). */
  readonly addresses6: string;
  /** Where Talos names itself (os-release(5)). */
  readonly osRelease: string;
}

const NODE_PATHS: NodePaths = {
  kernelArguments: "/proc/cmdline",
  interfaces: "/proc/net/dev",
  addresses6: "/proc/net/if_inet6",
  osRelease: "/etc/os-release",
};

/** Reads the facts of the running host; what cannot be read is left empty. Talos and proxies are others' to tell. */
export function observeNode(given: Partial<NodePaths> = {}): NodeFacts {
  const paths = { ...NODE_PATHS, ...given };
  const kernelArguments = readText(paths.kernelArguments);
  return {
    hostname: hostname(),
    ipVersions: routeFamilies(),
    siderolinkPrefix: siderolinkPrefix(paths.addresses6) ?? namedPrefixOf(kernelArguments),
    grpcTunnel: observeGrpcTunnel(interfaceNames(readText(paths.interfaces)), kernelArguments),
    talosVersion: talosVersionOf(readText(paths.osRelease)),
    resolvers: getServers(),
    machineApi: machineApiOf(kernelArguments),
    addresses: nodeAddresses(networkInterfaces()),
    proxy: undefined,
    talos: undefined,
  };
}

/**
 * The interface is `siderolinktun` when WireGuard runs in user space over gRPC, and `siderolink` when it is the kernel's; before there
 * is either, the kernel command line may ask for the tunnel. Undefined where nothing tells (M4).
 */
export function observeGrpcTunnel(interfaces: readonly string[], kernelArguments: string): boolean | undefined {
  if (interfaces.includes("siderolinktun")) return true;
  return interfaces.includes("siderolink") ? false : asksForGrpcTunnel(kernelArguments);
}

/** Names of all interfaces in the text of /proc/net/dev (proc(5)): two lines of heading, then `name: counters`. */
export function interfaceNames(table: string): string[] {
  return table.split("\n").flatMap((line) => /^\s*([^\s:]+):/.exec(line)?.[1] ?? []);
}

/** The version in an os-release text; empty when it is not Talos's. */
export function talosVersionOf(osRelease: string): string {
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]*)"?$`, "m").exec(osRelease)?.[1] ?? "";
  return field("ID") === "talos" ? field("VERSION_ID") : "";
}

/** Puts a hello together; what a collector could not use is left out of it. */
export function makeHello(speaker: Speaker, facts: NodeFacts, planRevision: string): HelloInit {
  const { nodeId, bootId, agentVersion, roles } = speaker;
  return {
    nodeId,
    bootId,
    agentVersion,
    hostname: printableAscii(facts.hostname, HOSTNAME_MAX_LENGTH),
    roles: roles.map((role) => WIRE_ROLES[role]),
    ipVersions: [...facts.ipVersions],
    siderolinkPrefix: facts.siderolinkPrefix,
    ...(facts.grpcTunnel === undefined ? {} : { grpcTunnel: facts.grpcTunnel }),
    talosVersion: printableAscii(facts.talosVersion, VERSION_MAX_LENGTH),
    planRevision,
    resolvers: bareAddresses(facts.resolvers),
    machineApi: facts.machineApi,
    addresses: [...facts.addresses],
    ...(facts.proxy === undefined ? {} : { proxy: proxyInit(facts.proxy) }),
    ...(facts.talos === undefined ? {} : { talos: talosInit(facts.talos) }),
  };
}

function proxyInit({ https, http, noProxy }: NonNullable<NodeFacts["proxy"]>): NonNullable<HelloInit["proxy"]> {
  const nameOf = (proxy: ProxyEndpoint | undefined) =>
    proxy === undefined ? "" : endpointName(proxy.host, proxy.port);
  return { httpsProxy: nameOf(https), httpProxy: nameOf(http), noProxy: [...noProxy] };
}

function talosInit({
  siderolinkHost,
  siderolinkConnected,
  wireguardEndpoint,
}: TalosView): NonNullable<HelloInit["talos"]> {
  return {
    siderolinkHost,
    ...(siderolinkConnected === undefined ? {} : { siderolinkConnected }),
    wireguardEndpoint,
  };
}

/** What a hello says of the node, as text to compare: the same text, the same facts. The plan it was said under is no fact. */
export function factsTold({ bootId: _, planRevision: __, ...told }: HelloInit): string {
  return JSON.stringify(told);
}

function bareAddresses(resolvers: readonly string[]): string[] {
  const addresses = resolvers.map(resolverAddress).filter((address) => address !== undefined);
  return [...new Set(addresses)].slice(0, RESOLVERS_MAX);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
