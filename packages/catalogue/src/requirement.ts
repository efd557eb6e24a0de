/**
 * One row of a catalogue: what must be reachable, as published and as it really is (C1).
 *
 * 1. `published` is what the document prints, unchanged; null when the document omits the row.
 * 2. `protocol`, `port` and `place` are the effective ones: they are what is measured and judged.
 * 3. Where both differ, or nothing is published, `effective.evidence` says why the effective value is believed.
 */
import type { HttpExpectation } from "@lifeline/measure";

/** Who opens the connection. */
export const ORIGINS = ["omni-host", "talos-node"] as const;
export type Origin = (typeof ORIGINS)[number];

/** How Omni is run. */
export const DEPLOYMENT_KINDS = ["on-prem", "saas"] as const;
export type DeploymentKind = (typeof DEPLOYMENT_KINDS)[number];

/** `conditional` rows bind when all their conditions hold; `optional` ones are measured, and their failure is no fault. */
export const OBLIGATIONS = ["required", "optional", "conditional"] as const;
export type Obligation = (typeof OBLIGATIONS)[number];

/** Circumstances that a condition may ask about; answered from the deployment and from what the node observes. */
export const CIRCUMSTANCES = [
  /** WireGuard is carried over gRPC on the Machine API instead of UDP. */
  "grpc-tunnel",
  /** Nodes pull images from their public registries themselves. */
  "nodes-pull-directly",
  /** Omni hands install media to the nodes. */
  "media-through-omni",
  /** No public host is reachable, only mirrors. */
  "air-gapped",
  /** An HTTP proxy is the only way out to public hosts. */
  "http-proxy",
  /** This node has a siderolink interface. */
  "siderolink-member",
  /** Talos secures its time by NTS. */
  "network-time-security",
  /** The deployment names the identity provider that people sign in with. */
  "identity-provider",
  /** Omni stores etcd backups in an object store. */
  "etcd-backup",
  /** Omni reads its keys from Vault. */
  "vault",
  /** The node was told to join Omni: it has a siderolink.api kernel argument, or already a siderolink interface. */
  "siderolink-configured",
  /** The agent's environment names a proxy for HTTPS, which gRPC would go through as well. */
  "proxy-environment",
] as const;
export type Circumstance = (typeof CIRCUMSTANCES)[number];

/** Endpoints that a deployment names, or that follow from the node; the others are hosts written in the catalogue. */
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

/** A row binds only when the circumstance is as `is` says; `otherwise` tells people why it does not bind. */
export interface Condition {
  readonly circumstance: Circumstance;
  readonly is: boolean;
  readonly otherwise: string;
}

/** Where the row's endpoint is. */
export type Place =
  | { readonly kind: "hosts"; readonly hosts: readonly string[] }
  /** Can only be sampled: judged by the known hosts. With none known, `unknown` says why and what to do next. */
  | {
      readonly kind: "wildcard";
      readonly pattern: string;
      readonly known: readonly string[];
      readonly unknown?: { readonly why: string; readonly next: string };
    }
  /** `defaults`: the hosts used when the deployment names none. */
  | { readonly kind: "service"; readonly service: Service; readonly defaults?: readonly string[] };

/** Which authorities a row's certificates must end at: the public ones, or the deployment's own CA where it has one. */
export type TrustSource = "public" | "deployment";

interface ProbePlanTerms {
  /** Aims this probe at another service than the row's place, such as the STAMP reflectors. */
  readonly to?: Service;
  /** Time between attempts in ms, 100–3,600,000. Default: the plan's. */
  readonly cadenceMs?: number;
  /** Loss threshold in ms, 10–60,000. Default: the plan's for this protocol. */
  readonly timeoutMs?: number;
}

/** A probe that measures the row, as data; resolve turns it into targets. */
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
    | { readonly probe: "grpc"; readonly trust: TrustSource }
    | {
        readonly probe: "dns";
        /** The name asked, unless `ask` gives one. */
        readonly query: string;
        readonly transport: "udp" | "tcp";
        /** Asks for the host name of this service instead, where the deployment gives it one. */
        readonly ask?: Service;
      }
    | { readonly probe: "udp"; readonly payloadBytes: number; readonly expectRefusal?: boolean }
    | { readonly probe: "stamp" }
    | { readonly probe: "link" }
    /** Sizes of an IP packet that must pass, header included, by family, 576–9,000. */
    | { readonly probe: "mtu"; readonly requiredBytes: { readonly ipv4: number; readonly ipv6: number } }
  );

/**
 * Rows that are judged by what is known of the node rather than by a probe.
 *
 * - `tunnel-bypasses-proxy`: NO_PROXY covers the node's own /64 of the tunnel.
 * - `clock`: the node's clock against the collector's.
 * - `unique-node`: one machine speaks under the node's id.
 */
export const CHECKS = ["tunnel-bypasses-proxy", "clock", "unique-node"] as const;
export type Check = (typeof CHECKS)[number];

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
  /** All must hold for the row to bind. Present exactly when the obligation is conditional. */
  readonly conditions?: readonly Condition[];
  readonly protocol: "tcp" | "udp";
  /** The effective port; for a service, the deployment's own port overrides it. */
  readonly port: number;
  readonly place: Place;
  readonly published: Published | null;
  readonly effective: { readonly value: string; readonly evidence: readonly string[] };
  readonly errata?: readonly Erratum[];
  /** Empty for a row with a check. */
  readonly probes: readonly ProbePlan[];
  /** Judged by what is known of the node. */
  readonly check?: Check;
}

/** Whether reality differs from the document: an erratum, another effective value, or a row that is not published at all. */
export function hasDrift(requirement: Requirement): boolean {
  return requirement.errata !== undefined || differs(requirement);
}

/** Whether the measured value is not the published one, errata left aside. */
export function differs(requirement: Requirement): boolean {
  const { published, effective, port: effectivePort, protocol } = requirement;
  if (published === null || published.value !== effective.value) return true;
  return (published.port ?? effectivePort) !== effectivePort || (published.protocol ?? protocol) !== protocol;
}
