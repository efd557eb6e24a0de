/** The first message of a stream: who speaks, and what the node observes of itself, read anew at each dial. */
import { getServers } from "node:dns";
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { routeFamilies, siderolinkPrefix } from "@lifeline/probe";
import { reportPb } from "@lifeline/wire";
import { endpointOfUrl, printableAscii, resolverAddress } from "./wire-text.ts";

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
  /** First 64 bits of the siderolink interface's address, such as fdae:41e4:649b:9303; empty without one. */
  readonly siderolinkPrefix: string;
  /** Whether WireGuard goes through gRPC on the Machine API; undefined where no interface tells. */
  readonly grpcTunnel: boolean | undefined;
  /** Such as v1.13.2; empty when the host is not Talos. */
  readonly talosVersion: string;
  /** The resolvers the node uses, as they are written: `address`, `address:port` or `[v6]:port`, or with a zone. */
  readonly resolvers: readonly string[];
  /** The Machine API the node was started with, as scheme, host and port; empty when it was started without one. */
  readonly machineApi: string;
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
}

/** Who speaks. */
export interface Speaker {
  readonly nodeId: string;
  readonly bootId: Uint8Array;
  readonly agentVersion: string;
  readonly roles: readonly NodeRole[];
}

/** Where Linux shows network interfaces. */
const INTERFACES_PATH = "/sys/class/net";

/** Most resolvers named: twice what glibc uses (resolv.conf(5), MAXNS is 3), and then some. */
export const RESOLVERS_MAX = 8;

/** Longest host name said, characters (RFC 1035 §2.3.4), and longest version: a release name and a build's description. */
const HOSTNAME_MAX_LENGTH = 253;
const VERSION_MAX_LENGTH = 64;

/** Where the kernel shows its arguments (proc(5)). What stands there holds a secret: see {@link machineApiOf}. */
const KERNEL_ARGUMENTS_PATH = "/proc/cmdline";

/** Where Talos names itself (os-release(5)). */
const OS_RELEASE_PATH = "/etc/os-release";

/** Reads the facts of the running host; what cannot be read is left empty. */
export function observeNode(): NodeFacts {
  return {
    hostname: hostname(),
    ipVersions: routeFamilies(),
    siderolinkPrefix: siderolinkPrefix() ?? "",
    grpcTunnel: observeGrpcTunnel((name) => existsSync(`${INTERFACES_PATH}/${name}`)),
    talosVersion: talosVersionOf(readText(OS_RELEASE_PATH)),
    resolvers: getServers(),
    machineApi: machineApiOf(readText(KERNEL_ARGUMENTS_PATH)),
  };
}

/**
 * The Machine API in a kernel command line (`siderolink.api=URL`): scheme, host and port alone. The URL's query carries the join
 * token, and its user part could carry another secret: neither leaves this function (S1). Without a scheme Talos dials
 * plaintext gRPC. Empty when there is none, or none that Talos could dial.
 */
export function machineApiOf(kernelArguments: string): string {
  const given = /(?:^|\s)siderolink\.api=(\S+)/.exec(kernelArguments)?.[1];
  if (given === undefined) return "";
  const url = given.includes("://") ? given : `grpc://${given}`;
  return endpointOfUrl(url) ?? "";
}

/**
 * The interface is `siderolinktun` when WireGuard runs in user space over gRPC, and `siderolink` when it is the kernel's.
 */
export function observeGrpcTunnel(hasInterface: (name: string) => boolean): boolean | undefined {
  if (hasInterface("siderolinktun")) return true;
  return hasInterface("siderolink") ? false : undefined;
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
  };
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
