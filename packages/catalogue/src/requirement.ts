/**
 * One row of a catalogue: what must be reachable, as published and in fact (C1).
 *
 * 1. `published` is what the document prints, unchanged; null if the document omits the row.
 * 2. `protocol`, `port` and `place` are the effective ones. They are measured and judged.
 * 3. If both differ, or nothing is published, `effective.evidence` gives the reasons for the effective value.
 */
import type { GrpcExpectation, HttpExpectation, ProxyScheme } from "@lifeline/measure";

/** Who opens the connection. */
export const ORIGINS = ["omni-host", "talos-node"] as const;
export type Origin = (typeof ORIGINS)[number];

/** How Omni is run. */
export const DEPLOYMENT_KINDS = ["on-prem", "saas"] as const;
export type DeploymentKind = (typeof DEPLOYMENT_KINDS)[number];

/**
 * `conditional` rows apply if all their conditions hold. `optional` rows are measured, but their failure is no fault.
 */
export const OBLIGATIONS = ["required", "optional", "conditional"] as const;
export type Obligation = (typeof OBLIGATIONS)[number];

/** What a condition may depend on. The deployment and the observations of the node decide. */
export const CONDITION_FACTS = [
  /** WireGuard is carried over gRPC on the Machine API instead of UDP. */
  "grpc-tunnel",
  /** Nodes pull images directly from public registries. */
  "nodes-pull-directly",
  /** Omni serves install media to the nodes. */
  "media-through-omni",
  /** No public host is reachable, only mirrors. */
  "air-gapped",
  /** An HTTP proxy is the only way out to public hosts. */
  "http-proxy",
  /** This node has a siderolink interface. */
  "siderolink-member",
  /** Talos uses NTS (Network Time Security). */
  "network-time-security",
  /** The deployment names the identity provider for user sign-in. */
  "identity-provider",
  /** Omni stores etcd backups in an object store. */
  "etcd-backup",
  /** Omni reads its keys from Vault. */
  "vault",
  /** The node is configured to join Omni: it has a siderolink.api kernel argument or a siderolink interface. */
  "siderolink-configured",
  /** The agent's environment names a proxy for HTTPS. gRPC goes through it too. */
  "proxy-environment",
] as const;
export type ConditionFact = (typeof CONDITION_FACTS)[number];

/** Endpoints that the deployment or the node determines. All others are hosts written in the catalogue. */
export const SERVICES = [
  "api",
  "machine-api",
  "siderolink",
  "stamp-reflector",
  "in-tunnel",
  "identity-provider",
  "etcd-backup",
  "vault",
  "http-proxy",
  "resolver",
  "time-server",
  /** The node's own end of the tunnel: its interface. */
  "tunnel-link",
] as const;
export type Service = (typeof SERVICES)[number];

/** The row applies only if `fact` equals `is`. `otherwise` explains to people why it does not apply. */
export interface Condition {
  readonly fact: ConditionFact;
  readonly is: boolean;
  readonly otherwise: string;
}

/** Where the row's endpoint is. */
export type Place =
  | { readonly kind: "hosts"; readonly hosts: readonly string[] }
  /** Only the known hosts are measured. If there are none, `unknown` says why and what to do next. */
  | {
      readonly kind: "wildcard";
      readonly pattern: string;
      readonly known: readonly string[];
      readonly unknown?: { readonly why: string; readonly next: string };
    }
  /** `defaults`: the hosts used if the deployment names none. */
  | { readonly kind: "service"; readonly service: Service; readonly defaults?: readonly string[] };

/** Which CAs a row's certificates may end at: the public ones, or the deployment's own CA if it has one. */
export type TrustSource = "public" | "deployment";

interface ProbePlanTerms {
  /** Measures another service than the row's place, such as the STAMP reflectors. */
  readonly to?: Service;
  /** Time between attempts in ms, 100–3,600,000. Default: the plan's. */
  readonly cadenceMs?: number;
  /** Loss threshold in ms, 10–60,000. Default: the plan's for this protocol. */
  readonly timeoutMs?: number;
}

/** A probe of the row, as data. `resolve` turns it into targets. */
export type ProbePlan = ProbePlanTerms &
  (
    | { readonly probe: "tcp"; readonly acceptReset: boolean }
    | {
        readonly probe: "tls";
        readonly trust: TrustSource;
        readonly alpn: readonly string[];
        readonly alpnRequired: boolean;
      }
    | { readonly probe: "http"; readonly trust: TrustSource; readonly expect: HttpExpectation }
    /** `object`: the image that is asked for. Default: only whether the API answers. */
    | { readonly probe: "registry"; readonly trust: TrustSource; readonly object?: string }
    | { readonly probe: "grpc"; readonly trust: TrustSource; readonly expect: GrpcExpectation }
    | {
        readonly probe: "dns";
        /** The name to query, unless `ask` gives one. */
        readonly query: string;
        readonly transport: "udp" | "tcp";
        /** Queries the host name of this service instead, if the deployment gives it one. */
        readonly ask?: Service;
      }
    | { readonly probe: "udp"; readonly payloadBytes: number; readonly expectRefusal?: boolean }
    | { readonly probe: "stamp" }
    | { readonly probe: "link" }
    /** Sizes of an IP packet that must pass, header included, by family, 576–9,000. */
    | { readonly probe: "mtu"; readonly requiredBytes: { readonly ipv4: number; readonly ipv6: number } }
    | { readonly probe: "ntp" }
    | { readonly probe: "nts"; readonly trust: TrustSource }
  );

/**
 * Checks: rows that are judged by facts about the node and not by a probe.
 *
 * - `tunnel-bypasses-proxy`: NO_PROXY covers the node's own /64 of the tunnel.
 * - `clock`: the node's clock agrees with the collector's.
 * - `unique-node`: only one machine reports under the node's id.
 */
export const CHECKS = ["tunnel-bypasses-proxy", "clock", "unique-node"] as const;
export type Check = (typeof CHECKS)[number];

/**
 * Who runs the row's endpoint, and so who answers for its certificate and its TLS: the site, or somebody else on the
 * internet. A mirror is always the site's.
 */
export const OPERATORS = ["site", "third-party"] as const;
export type Operator = (typeof OPERATORS)[number];

/** A kind of proxy that a row's client supports. */
export interface ProxyKind {
  readonly scheme: ProxyScheme;
  /** First version of Talos whose client supports it, such as v1.11.3. Absent: all do. */
  readonly since?: string;
}

/** What the document prints. */
export interface Published {
  readonly value: string;
  readonly port?: number;
  readonly protocol?: "tcp" | "udp";
}

/** A statement of a document that the sources contradict. */
export interface Erratum {
  readonly id: string;
  /** The document that makes the statement. */
  readonly document: string;
  readonly published: string;
  readonly effective: string;
  readonly evidence: readonly string[];
}

/** One row; see the file's header for which fields are measured. */
export interface Requirement {
  /** Kebab-case, stable over versions. */
  readonly id: string;
  readonly purpose: string;
  readonly source: { readonly document: string; readonly version: string; readonly section: string };
  readonly from: Origin;
  readonly deployments: readonly DeploymentKind[];
  readonly obligation: Obligation;
  /** The row applies only if all hold. Present exactly if the obligation is conditional. */
  readonly conditions?: readonly Condition[];
  readonly protocol: "tcp" | "udp";
  /** The effective port; for a service, the deployment's own port overrides it. */
  readonly port: number;
  readonly place: Place;
  /** Default: a service is the site's, except Omni's own services with SaaS; hosts in the catalogue are not. */
  readonly operator?: Operator;
  /**
   * Why TLS to the endpoint must not be inspected even where the site declares its inspection, for people. Absent: a
   * declared inspection is no fault.
   */
  readonly inspectionBreaks?: string;
  /**
   * Kinds of proxy that the row's client supports. It asks a proxy of another kind by CONNECT in cleartext. Absent: all
   * kinds, as Go's net/http does.
   */
  readonly proxyKinds?: readonly ProxyKind[];
  readonly published: Published | null;
  readonly effective: { readonly value: string; readonly evidence: readonly string[] };
  readonly errata?: readonly Erratum[];
  /** Empty for a row with a check. */
  readonly probes: readonly ProbePlan[];
  /** The check that replaces probes. */
  readonly check?: Check;
}

/** Whether the document is wrong or incomplete: an erratum, another effective value, or an unpublished row. */
export function hasDrift(requirement: Requirement): boolean {
  return requirement.errata !== undefined || differs(requirement);
}

/** Whether the measured value differs from the published one. Ignores errata. */
export function differs(requirement: Requirement): boolean {
  const { published, effective, port: effectivePort, protocol } = requirement;
  if (published === null || published.value !== effective.value) return true;
  return (published.port ?? effectivePort) !== effectivePort || (published.protocol ?? protocol) !== protocol;
}
