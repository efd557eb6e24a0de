/** Whether a row applies to this deployment and node. *Unknown* is a possible answer (M4). */
import type { IpFamily, ProxyEndpoint } from "@lifeline/measure";
import type { Deployment } from "./deployment.ts";
import type { LearnedRedirect } from "./learned-redirects.ts";
import type { ConditionFact, Origin, Requirement } from "./requirement.ts";
import { isSince, readTalosVersion } from "./talos-version.ts";

/** What a node observes about itself. It overrides what the deployment says. */
export interface NodeFacts {
  readonly nodeId: string;
  readonly roles: readonly Origin[];
  /**
   * Families for which the node has a usable route, not counting the tunnel. Empty: the node has no route; IPv4 is
   * measured, so that the failure shows.
   */
  readonly families: readonly IpFamily[];
  /** The /64 of the node's siderolink interface, four groups: `fdae:41e4:649b:9303`. Absent: it has none. */
  readonly siderolinkPrefix?: string;
  /** Whether this node's WireGuard runs over gRPC; absent: as in the deployment. */
  readonly grpcTunnel?: boolean;
  /** The node's Machine API as it dials it: `https://host:port` for TLS, `grpc://host:port` for cleartext. */
  readonly machineApi?: string;
  /** Why the node's siderolink.api cannot be read, without any of its text; absent: it can, or there is none. */
  readonly machineApiUnreadable?: string;
  /** Next hops of the node's default routes; absent: not known. */
  readonly gateways?: readonly string[];
  /** Resolvers that the node uses, without port; absent: the deployment's, or Talos's defaults. */
  readonly resolvers?: readonly string[];
  /** The HTTP proxy of the agent's environment; absent: none. */
  readonly proxy?: ProxyFacts;
  /** Hosts that endpoints redirected this node to; absent: none were seen. */
  readonly redirects?: readonly LearnedRedirect[];
  /** `v1.13.2` or `1.13.2`; absent: unknown. */
  readonly talosVersion?: string;
}

/** HTTPS_PROXY, HTTP_PROXY and NO_PROXY of a node, without credentials. */
export interface ProxyFacts {
  /** For https and gRPC over TLS. */
  readonly https?: ProxyEndpoint;
  /** Why the proxy that HTTPS_PROXY names cannot be used; absent: it can, or there is none. */
  readonly httpsFault?: string;
  /** Whether the URL of HTTPS_PROXY names no port, so that `https` has the default one. Absent: it names one. */
  readonly httpsLacksPort?: true;
  readonly http?: ProxyEndpoint;
  /** Entries of NO_PROXY as written: host names, domains with a leading dot, addresses, CIDR prefixes, `*`. */
  readonly noProxy: readonly string[];
}

/** Why a row does not apply, or why that cannot be known. */
export type Exemption =
  | { readonly kind: "not-applicable"; readonly why: string }
  | { readonly kind: "unresolved"; readonly why: string; readonly next: string };

const ORIGIN_NAMES: Readonly<Record<Origin, string>> = {
  "omni-host": "the host that runs Omni",
  "talos-node": "a Talos node",
};

/** The first reason why `row` does not apply to this deployment and node; undefined if it applies. */
export function exemption(row: Requirement, deployment: Deployment, facts: NodeFacts): Exemption | undefined {
  if (!row.deployments.includes(deployment.kind)) {
    const why = `this row is for ${row.deployments.join(" and ")} deployments; ${deployment.name} is ${deployment.kind}`;
    return { kind: "not-applicable", why };
  }
  if (!facts.roles.includes(row.from)) {
    const roles = facts.roles.map((role) => ORIGIN_NAMES[role]).join(" and ") || "neither";
    return { kind: "not-applicable", why: `only ${ORIGIN_NAMES[row.from]} needs it; this node is ${roles}` };
  }
  for (const { fact, is, otherwise } of row.conditions ?? []) {
    const held = holds(fact, deployment, facts);
    if (held === undefined) return UNKNOWN_VERSION;
    if (held !== is) return { kind: "not-applicable", why: otherwise };
  }
  return undefined;
}

const UNKNOWN_VERSION: Exemption = {
  kind: "unresolved",
  why: "whether it applies depends on the node's Talos version, which is unknown",
  next: "let the agent read /etc/os-release of the host, or give the node's Talos version",
};

/** Whether the fact holds; undefined if unknown. */
export function holds(fact: ConditionFact, deployment: Deployment, facts: NodeFacts): boolean | undefined {
  switch (fact) {
    case "grpc-tunnel":
      return facts.grpcTunnel ?? deployment.omni.grpcTunnel;
    case "nodes-pull-directly":
      return deployment.egress.nodesPullDirectly;
    case "media-through-omni":
      return deployment.egress.mediaThroughOmni;
    case "air-gapped":
      return deployment.airGapped !== undefined;
    case "http-proxy":
      return deployment.egress.httpProxy !== undefined;
    case "siderolink-member":
      return facts.siderolinkPrefix !== undefined;
    case "network-time-security":
      return speaksNts(deployment, facts);
    case "identity-provider":
      return deployment.omni.identityProvider !== undefined;
    case "etcd-backup":
      return deployment.omni.etcdBackup !== undefined;
    case "vault":
      return deployment.omni.vault !== undefined;
    case "siderolink-configured":
      return isConfiguredToJoin(facts);
    case "proxy-environment":
      return facts.proxy?.https !== undefined;
  }
}

/** Whether the node has been told to join Omni. A setting that cannot be read is not an absent one. */
export function isConfiguredToJoin({
  machineApi,
  machineApiUnreadable,
  siderolinkPrefix,
}: Pick<NodeFacts, "machineApi" | "machineApiUnreadable" | "siderolinkPrefix">): boolean {
  return machineApi !== undefined || machineApiUnreadable !== undefined || siderolinkPrefix !== undefined;
}

/**
 * First version of Talos that uses NTS with its default time server. With configured servers it uses plain NTP unless
 * `useNTS` is set (siderolabs/docs talos/v1.14/networking/configuration/time.mdx).
 */
const NTS_SINCE = [1, 14, 0] as const;

function speaksNts(deployment: Deployment, facts: NodeFacts): boolean | undefined {
  if (deployment.network.timeServers.length > 0) return deployment.network.networkTimeSecurity;
  const version = readTalosVersion(facts.talosVersion);
  return version === undefined ? undefined : isSince(version, NTS_SINCE);
}
