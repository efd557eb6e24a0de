/**
 * The measured deployment: where Omni is, and the choices of the site. Parsed, checked and completed with defaults.
 * Reads no file; the caller reads certificates.
 */

import type { ProxyEndpoint } from "@lifeline/measure";
import { parseYaml } from "./catalogue-file.ts";
import { caOf, type ReadPem } from "./deployment-ca.ts";
import { type WrittenCa, type WrittenDeployment, writtenDeployment } from "./deployment-schema.ts";
import { type Endpoint, readEndpointUrl } from "./endpoint.ts";
import { type InspectionCa, inspectionCas } from "./inspection-ca.ts";
import type { DeploymentKind } from "./requirement.ts";

/** An endpoint with the CA of its certificate; public roots if `caPem` is absent. */
export interface TrustedEndpoint extends Endpoint {
  readonly caPem?: string;
}

/** A public host and the mirror that replaces it. */
export interface Mirror {
  /** A host, a wildcard as the catalogue writes it, or {@link ANY_REGISTRY}. Several mirrors may replace one host. */
  readonly replaces: string;
  readonly with: TrustedEndpoint;
  /** Where its API is: the path and `/v2`, or with `overridePath` the path alone, as Talos reads both. */
  readonly basePath: string;
  /** An image that the mirror has. Undefined: only whether it is a registry can be said for certain. */
  readonly object: string | undefined;
}

/** A deployment, complete: every default filled in. */
export interface Deployment {
  readonly name: string;
  readonly kind: DeploymentKind;
  readonly omni: {
    readonly api: Endpoint;
    /** Where nodes register. SaaS: derived from `api`; on-prem: undefined if not named. */
    readonly machineApi: Endpoint | undefined;
    /** Every advertised WireGuard endpoint; each is a target. */
    readonly siderolink: readonly Endpoint[];
    /** Whether all nodes carry WireGuard over gRPC. A node's own observation overrides it. */
    readonly grpcTunnel: boolean;
    /** The CA of api and machineApi; undefined: public roots. */
    readonly caPem: string | undefined;
    /** Omni's address in the tunnel; undefined: `::1` of the node's own siderolink /64. */
    readonly inTunnelAddress: string | undefined;
    readonly stampReflectors: readonly Endpoint[];
    /** Whether the reflectors require authenticated packets (RFC 8762 §4.2.2). Each agent then needs the key. */
    readonly stampAuthenticated: boolean;
    readonly identityProvider: TrustedEndpoint | undefined;
    readonly etcdBackup: TrustedEndpoint | undefined;
    readonly vault: TrustedEndpoint | undefined;
  };
  readonly egress: {
    readonly nodesPullDirectly: boolean;
    readonly mediaThroughOmni: boolean;
    readonly httpProxy: ProxyEndpoint | undefined;
    /** The CA of an https proxy, of this file or of a node's environment; undefined: public roots. */
    readonly caPem: string | undefined;
    /** Hosts and wildcard domains that registries of the site may redirect to. */
    readonly redirectHosts: readonly string[];
    /** Empty: TLS is not inspected on purpose. */
    readonly tlsInspection: readonly InspectionCa[];
  };
  readonly certificates: {
    /** A certificate of an own endpoint is reported when it ends within as many days; 0: never. */
    readonly endsSoonDays: number;
  };
  /** The site's own servers; empty: Talos's defaults. */
  readonly network: {
    readonly resolvers: readonly string[];
    readonly timeServers: readonly string[];
    /** Whether nodes use NTS with `timeServers`. For Talos's default server the node's version decides. */
    readonly networkTimeSecurity: boolean;
  };
  /** Undefined: public hosts are reached directly. */
  readonly airGapped: { readonly mirrors: readonly Mirror[] } | undefined;
  readonly catalogue: {
    /** Undefined: the newest bundled one. */
    readonly version: string | undefined;
    /** Files with rows of the user, as written: relative to the deployment file. */
    readonly extra: readonly string[];
  };
}

/**
 * Default of `certificates.endsSoonDays`. Public certificates of 90 days are renewed 30 days before their end, so two
 * weeks mean that renewal has failed for some time.
 */
const ENDS_SOON_DAYS = 14;

/**
 * Reads a deployment from YAML text.
 *
 * @param file the name that problems carry.
 * @param readPem called for every `caFile`.
 * @throws CatalogueError with every problem of the file, or the first of its certificates.
 */
export function parseDeployment(file: string, yaml: string, readPem: ReadPem): Deployment {
  return deployed(file, parseYaml(file, yaml), readPem);
}

/** Command-line flags that describe a deployment; every text as typed. */
export interface DeploymentFlags {
  /** Without a scheme: https. */
  readonly api: string;
  readonly machineApi?: string;
  readonly siderolink: readonly string[];
  readonly caPem?: string;
  readonly stampReflectors?: readonly string[];
  /** Default: the API's host. */
  readonly name?: string;
  /** Default: `saas` for a host under `.omni.siderolabs.io`, else `on-prem`. */
  readonly kind?: DeploymentKind;
  readonly grpcTunnel?: boolean;
}

/** The URL as people type it: https where it has no scheme. */
export function withScheme(url: string): string {
  return url.includes("://") ? url : `https://${url}`;
}

/** Builds a deployment from flags. Throws CatalogueError with file `command line` and the field, such as `omni.api`. */
export function deploymentFrom(flags: DeploymentFlags): Deployment {
  const { siderolink, machineApi, caPem, grpcTunnel = false, stampReflectors = [] } = flags;
  const api = withScheme(flags.api);
  const read = readEndpointUrl(api, ["https:"]);
  const apiHost = read.kind === "endpoint" ? read.endpoint.host : "omni";
  const written = {
    version: 1,
    name: flags.name ?? apiHost,
    kind: flags.kind ?? (saasMachineApi(apiHost) === undefined ? "on-prem" : "saas"),
    omni: {
      api,
      siderolink: [...siderolink],
      stampReflectors: [...stampReflectors],
      stampAuthenticated: false,
      grpcTunnel,
      ...(machineApi === undefined ? {} : { machineApi }),
      ...(caPem === undefined ? {} : { caPem }),
    },
  };
  return deployed("command line", written, () => {
    throw new TypeError("flags name no certificate file");
  });
}

/** Host of the SaaS API. The Machine API of that account is `<account>.siderolink.omni.siderolabs.io:443`. */
const SAAS_API = /^([a-z0-9-]+)\.omni\.siderolabs\.io$/i;

function saasMachineApi(apiHost: string): Endpoint | undefined {
  const account = SAAS_API.exec(apiHost)?.[1];
  return account === undefined
    ? undefined
    : { host: `${account}.siderolink.omni.siderolabs.io`, port: 443, secure: true };
}

function deployed(file: string, value: unknown, readPem: ReadPem): Deployment {
  return completed(file, writtenDeployment(file, value), readPem);
}

function completed(file: string, written: WrittenDeployment, readPem: ReadPem): Deployment {
  const { omni, egress, network, catalogue } = written;
  const ca = (field: string, owner: WrittenCa) => caOf(file, field, owner, readPem);
  const trustedAt = (field: string, owner: (WrittenCa & { readonly url: Endpoint }) | undefined) =>
    owner === undefined ? undefined : trustedEndpoint(owner.url, ca(field, owner));
  return {
    name: written.name,
    kind: written.kind,
    omni: {
      api: omni.api,
      machineApi: omni.machineApi ?? (written.kind === "saas" ? saasMachineApi(omni.api.host) : undefined),
      siderolink: omni.siderolink,
      grpcTunnel: omni.grpcTunnel,
      caPem: ca("omni", omni),
      inTunnelAddress: omni.inTunnelAddress,
      stampReflectors: omni.stampReflectors,
      stampAuthenticated: omni.stampAuthenticated,
      identityProvider: trustedAt("omni.identityProvider", omni.identityProvider),
      etcdBackup: trustedAt("omni.etcdBackup", omni.etcdBackup),
      vault: trustedAt("omni.vault", omni.vault),
    },
    egress: {
      nodesPullDirectly: egress?.nodesPullDirectly ?? true,
      mediaThroughOmni: egress?.mediaThroughOmni ?? false,
      httpProxy: egress?.httpProxy,
      caPem: egress && ca("egress", egress),
      tlsInspection: inspectionCas(file, egress?.tlsInspection ?? [], readPem),
      redirectHosts: egress?.redirectHosts ?? [],
    },
    certificates: { endsSoonDays: written.certificates?.endsSoonDays ?? ENDS_SOON_DAYS },
    network: {
      resolvers: network?.resolvers ?? [],
      timeServers: network?.timeServers ?? [],
      networkTimeSecurity: network?.networkTimeSecurity ?? false,
    },
    airGapped: written.airGapped && {
      mirrors: written.airGapped.mirrors.map((mirror, index) => ({
        replaces: mirror.replaces,
        with: trustedEndpoint(endpointOf(mirror.with), ca(`airGapped.mirrors[${index}]`, mirror)),
        basePath: basePathOf(mirror.with.path, mirror.overridePath),
        object: mirror.object,
      })),
    },
    catalogue: { version: catalogue?.version, extra: catalogue?.extra ?? [] },
  };
}

function endpointOf({ host, port, secure }: Endpoint): Endpoint {
  return { host, port, secure };
}

/** As containerd does: `/v2` is added unless the path ends with it (core/remotes/docker/config/hosts.go). */
function basePathOf(path: string, overridePath: boolean): string {
  if (overridePath && path !== "") return path;
  return path.endsWith("/v2") ? path : `${path}/v2`;
}

function trustedEndpoint(endpoint: Endpoint, caPem: string | undefined): TrustedEndpoint {
  return caPem === undefined ? endpoint : { ...endpoint, caPem };
}
