/**
 * What a node observes of itself, beside its measurements. It decides which targets apply to the node, and where they
 * are.
 */
import { readFileSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import type { IpFamily } from "@lifeline/measure";
import { defaultGateways, routeFamilies, siderolinkPrefix } from "@lifeline/probe";
import { machineApiOf, namedPrefixOf, requestsGrpcTunnel } from "./kernel-arguments.ts";
import { nodeAddresses } from "./node-address.ts";
import { talosVersionOf } from "./os-release.ts";
import type { NodeProxy } from "./proxy-environment.ts";
import { resolverAddresses, resolversOf } from "./resolver-address.ts";

/** Facts of a node; an absent one is not known (M4). */
export interface NodeFacts {
  readonly hostname: string;
  /** IP families the node has a usable route for. */
  readonly families: readonly IpFamily[];
  /**
   * First 64 bits of the siderolink interface's address, such as fdae:41e4:649b:9303. Before the interface is up: those
   * of the in-tunnel address on the kernel command line.
   */
  readonly siderolinkPrefix?: string;
  /** Whether WireGuard runs over gRPC on the Machine API. */
  readonly grpcTunnel?: boolean;
  /** Such as v1.13.2; absent when the host is not Talos. */
  readonly talosVersion?: string;
  /** Addresses of the resolvers in use, at most RESOLVERS_MAX; absent when none can be queried by its address alone. */
  readonly resolvers?: readonly string[];
  /** The Machine API the node was started with: `https://host:port` for TLS, `grpc://host:port` for cleartext. */
  readonly machineApi?: string;
  /** Why the Machine API that the node was started with cannot be read; without any of its text (S1). */
  readonly machineApiUnreadable?: string;
  /** The node's own global unicast addresses, without the tunnel's; at most ADDRESSES_MAX. */
  readonly addresses: readonly string[];
  /** Addresses of the routers that the node's default routes lead to; empty: none has an address. */
  readonly gateways: readonly string[];
  /** The proxies of the environment, without credentials. */
  readonly proxy?: NodeProxy;
}

/** Files that describe the host. */
export interface NodePaths {
  /** The kernel's arguments (proc(5)). They hold a secret: see kernel-arguments.ts. */
  readonly kernelArguments: string;
  /** The interfaces of this process's network namespace (proc(5)). /sys shows those of the process that mounted it. */
  readonly interfaces: string;
  /** IPv6 addresses by interface (proc(5)). */
  readonly addresses6: string;
  /** Where Talos names itself (os-release(5)). */
  readonly osRelease: string;
  /** The resolvers (resolv.conf(5)). */
  readonly resolvConf: string;
}

const NODE_PATHS: NodePaths = {
  kernelArguments: "/proc/cmdline",
  interfaces: "/proc/net/dev",
  addresses6: "/proc/net/if_inet6",
  osRelease: "/etc/os-release",
  resolvConf: "/etc/resolv.conf",
};

/** Facts that are not read from files. */
export interface GivenFacts {
  /** Configured resolvers, used instead of those of resolv.conf; undefined: none are configured. */
  readonly resolvers?: readonly string[] | undefined;
  /** Undefined: the environment names no proxy. */
  readonly proxy?: NodeProxy | undefined;
}

/** Reads the facts of the running host. A fact whose file cannot be read is absent. */
export function observeNode(given: GivenFacts = {}, otherPaths: Partial<NodePaths> = {}): NodeFacts {
  const paths = { ...NODE_PATHS, ...otherPaths };
  const kernelArguments = readText(paths.kernelArguments);
  const prefix = siderolinkPrefix(paths.addresses6) ?? namedPrefixOf(kernelArguments);
  const grpcTunnel = observeGrpcTunnel(interfaceNames(readText(paths.interfaces)), kernelArguments);
  const talosVersion = talosVersionOf(readText(paths.osRelease));
  const resolvers = resolverAddresses(given.resolvers ?? resolversOf(readText(paths.resolvConf)));
  const machineApi = machineApiOf(kernelArguments);
  return {
    hostname: hostname(),
    families: routeFamilies(),
    addresses: nodeAddresses(networkInterfaces()),
    gateways: defaultGateways(),
    ...(prefix === undefined ? {} : { siderolinkPrefix: prefix }),
    ...(grpcTunnel === undefined ? {} : { grpcTunnel }),
    ...(talosVersion === undefined ? {} : { talosVersion }),
    ...(resolvers.length === 0 ? {} : { resolvers }),
    ...(machineApi?.kind === "endpoint" ? { machineApi: machineApi.url } : {}),
    ...(machineApi?.kind === "unreadable" ? { machineApiUnreadable: machineApi.why } : {}),
    ...(given.proxy === undefined ? {} : { proxy: given.proxy }),
  };
}

/**
 * The interface is `siderolinktun` when WireGuard runs in user space over gRPC, and `siderolink` when it is the
 * kernel's. Before there is either, the kernel command line may enable the tunnel. Undefined where neither shows it
 * (M4).
 */
export function observeGrpcTunnel(interfaces: readonly string[], kernelArguments: string): boolean | undefined {
  if (interfaces.includes("siderolinktun")) return true;
  return interfaces.includes("siderolink") ? false : requestsGrpcTunnel(kernelArguments);
}

/** Names of all interfaces in the text of /proc/net/dev (proc(5)): two lines of heading, then `name: counters`. */
export function interfaceNames(table: string): string[] {
  return table.split("\n").flatMap((line) => /^\s*([^\s:]+):/.exec(line)?.[1] ?? []);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
