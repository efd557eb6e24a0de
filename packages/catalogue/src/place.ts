/** The endpoints of a row in this deployment, with mirrors and proxies applied. */
import { matchesWildcard, proxyName, type RedirectScope, TUNNEL_LINK } from "@lifeline/measure";
import { isConfiguredToJoin, type NodeFacts } from "./condition.ts";
import type { Deployment, Mirror, TrustedEndpoint } from "./deployment.ts";
import { ANY_REGISTRY } from "./deployment-schema.ts";
import { type Endpoint, firstOfPrefix, readMachineApi } from "./endpoint.ts";
import { REDIRECTS_MAX } from "./learned-redirects.ts";
import type { Place, Requirement, Service } from "./requirement.ts";

/** One endpoint to measure, with what its targets depend on. */
export interface Spot extends Endpoint {
  /** The private CA, for probes with the trust of the deployment and for mirrors. */
  readonly caPem?: string;
  /** Whether it is a mirror. Its own trust replaces the row's. */
  readonly mirror: boolean;
  /** Whether somebody outside the site runs it. */
  readonly thirdParty: boolean;
  /** How a mirror is asked for images. */
  readonly registry?: MirrorRegistry;
  /** Only for the host of a redirect: which addresses may be asked. */
  readonly redirectScope?: RedirectScope;
  /** Whether it is reached through the tunnel, so that the node's other routes do not matter. */
  readonly inTunnel: boolean;
}

/** How a mirror is asked for images. */
export interface MirrorRegistry extends Pick<Mirror, "basePath" | "object"> {
  /** The registry that it replaces. */
  readonly namespace: string;
}

/** A host of the row that is not measured, and why. */
export interface Skip {
  readonly host: string;
  readonly why: string;
}

/** Where a row is measured, or why it is not. */
export type Located =
  | {
      readonly kind: "spots";
      readonly spots: readonly Spot[];
      readonly skipped: readonly Skip[];
      readonly notes: readonly string[];
    }
  | { readonly kind: "not-applicable"; readonly why: string }
  | { readonly kind: "unresolved"; readonly why: string; readonly next: string };

/** The endpoints of a row. */
export function locate(row: Requirement, deployment: Deployment, facts: NodeFacts): Located {
  const located = locatePlace(row, deployment, facts);
  if (located.kind !== "spots" || row.operator === undefined) return located;
  const isOutside = row.operator === "third-party";
  return { ...located, spots: located.spots.map((one) => ({ ...one, thirdParty: isOutside && !one.mirror })) };
}

function locatePlace(row: Requirement, deployment: Deployment, facts: NodeFacts): Located {
  const { place } = row;
  if (place.kind === "service") return locateService(row, place.service, place.defaults ?? [], deployment, facts);
  if (place.kind === "hosts") return locatePublic(row, place.hosts, deployment);
  return locateWildcard(row, place, deployment, facts);
}

/** The endpoints of a service in this deployment; empty if nothing names one. Hosts without a port get `port`. */
export function serviceSpots(
  service: Service,
  port: number,
  deployment: Deployment,
  facts: NodeFacts,
): readonly Spot[] {
  const thirdParty = deployment.kind === "saas" && isPublicWithSaas(service);
  return ownSpots(service, port, deployment, facts).map((one) => ({ ...one, thirdParty }));
}

function ownSpots(service: Service, port: number, deployment: Deployment, facts: NodeFacts): readonly Spot[] {
  const { omni, egress, network } = deployment;
  const one = (endpoint: TrustedEndpoint | undefined) => (endpoint === undefined ? [] : [spot(endpoint)]);
  const plain = (hosts: readonly string[]) => hosts.map((host) => spot({ host, port, secure: true }));
  switch (service) {
    case "api":
      return [withCa(omni.api, omni.caPem)];
    case "machine-api":
      return one(observedMachineApi(facts) ?? omni.machineApi).map((found) => withCa(found, omni.caPem));
    case "siderolink":
      return omni.siderolink.map(spot);
    case "stamp-reflector":
      return omni.stampReflectors.map(spot);
    case "in-tunnel":
      return inTunnelSpots(omni.inTunnelAddress ?? derivedAddress(facts), port);
    case "identity-provider":
      return one(omni.identityProvider);
    case "etcd-backup":
      return one(omni.etcdBackup);
    case "vault":
      return one(omni.vault);
    case "http-proxy":
      return one(egress.httpProxy && { ...egress.httpProxy, secure: egress.httpProxy.scheme === "https" });
    case "resolver":
      return plain(network.resolvers.length > 0 ? network.resolvers : (facts.resolvers ?? []));
    case "tunnel-link":
      return [{ host: TUNNEL_LINK, port: 0, secure: false, mirror: false, thirdParty: false, inTunnel: true }];
    case "time-server":
      return plain(network.timeServers);
  }
}

/** What to do so that the service can be measured. */
const SERVICE_WANTED: Readonly<Record<Service, string>> = {
  api: "set omni.api in the deployment",
  "machine-api":
    "set omni.machineApi in the deployment to Omni's --siderolink-api-advertised-url, which is also the node's siderolink.api kernel argument",
  siderolink:
    "list the WireGuard endpoint (Omni UI: Home → General Information) under omni.siderolink in the deployment",
  "stamp-reflector": "run a STAMP reflector beside Omni and list it under omni.stampReflectors in the deployment",
  "in-tunnel": "set the node's siderolink /64 as four groups, such as fdae:41e4:649b:9303",
  "identity-provider": "set omni.identityProvider in the deployment",
  "etcd-backup": "set omni.etcdBackup in the deployment",
  vault: "set omni.vault in the deployment",
  "http-proxy": "set egress.httpProxy in the deployment",
  resolver: "list the resolvers under network.resolvers in the deployment",
  "tunnel-link": "give the node a siderolink.api kernel argument",
  "time-server": "list the time servers under network.timeServers in the deployment",
};

function locateService(
  row: Requirement,
  service: Service,
  defaults: readonly string[],
  deployment: Deployment,
  facts: NodeFacts,
): Located {
  const unreadable = service === "machine-api" ? unreadableMachineApi(facts) : undefined;
  if (unreadable !== undefined) {
    const why = `siderolink.api of this node cannot be read: ${unreadable}`;
    return {
      kind: "unresolved",
      why,
      next: "Node owner: correct siderolink.api of the node, which Talos cannot dial either",
    };
  }
  const spots = serviceSpots(service, row.port, deployment, facts);
  if (spots.length > 0) {
    return { kind: "spots", spots, skipped: [], notes: derivationNotes(service, deployment, facts) };
  }
  if (defaults.length > 0) return locateDefaults(row, service, defaults, deployment);
  const why = `it applies, but no setting names the ${service.replaceAll("-", " ")} endpoint`;
  return { kind: "unresolved", why, next: SERVICE_WANTED[service] };
}

/**
 * Talos's own defaults of a service, which are public. An air-gapped site has servers of its own: where none is known,
 * the row is open.
 */
function locateDefaults(
  row: Requirement,
  service: Service,
  defaults: readonly string[],
  deployment: Deployment,
): Located {
  const located = locatePublic(row, defaults, deployment);
  if (located.kind !== "not-applicable") return located;
  const names = service.replaceAll("-", " ");
  const why = `the site is air-gapped, and neither the node nor the deployment names its ${names}s; Talos's default, ${defaults.join(" and ")}, is public`;
  return { kind: "unresolved", why, next: SERVICE_WANTED[service] };
}

/** Services that are on the public internet if Omni is SaaS. The site's proxy, if any, carries their traffic. */
const PUBLIC_WITH_SAAS: readonly Service[] = ["api", "machine-api"];

/** Whether the service is public if Omni is SaaS. */
export function isPublicWithSaas(service: Service): boolean {
  return PUBLIC_WITH_SAAS.includes(service);
}

/** A note if Omni's address in the tunnel is neither observed nor configured, but derived. */
function derivationNotes(service: Service, { omni }: Deployment, { siderolinkPrefix }: NodeFacts): readonly string[] {
  if (service !== "in-tunnel" || siderolinkPrefix !== undefined || omni.inTunnelAddress !== undefined) return [];
  return [
    "the node has no address in the tunnel yet, so Omni's address there is the default without an installation id",
  ];
}

function locateWildcard(
  row: Requirement,
  place: Extract<Place, { kind: "wildcard" }>,
  deployment: Deployment,
  facts: NodeFacts,
): Located {
  const { pattern, known, unknown } = place;
  const mirrors = mirrorsOf(pattern, row, deployment);
  if (mirrors.length > 0) {
    const notes = mirrors.map((mirror) => mirrorNote(pattern, mirror));
    return { kind: "spots", spots: mirrors, skipped: [], notes };
  }
  if (known.length === 0) {
    return locateRedirected(row, pattern, deployment, facts) ?? locateUnknown(pattern, unknown, deployment);
  }
  const located = locatePublic(row, known, deployment);
  if (located.kind !== "spots") return located;
  const sampled = located.spots.map(({ host }) => host).join(", ");
  return { ...located, notes: [...located.notes, `${pattern} can only be sampled; it is judged by ${sampled}`] };
}

/** The hosts of a wildcard that endpoints of other rows redirected this node to. Undefined: none. */
function locateRedirected(
  row: Requirement,
  pattern: string,
  deployment: Deployment,
  { redirects = [] }: NodeFacts,
): Located | undefined {
  const found = new Map(redirects.map((redirect) => [redirect.host, redirect]));
  const spots = [...found.values()]
    .filter(({ host }) => deployment.airGapped === undefined && matchesWildcard(pattern, host))
    .slice(0, REDIRECTS_MAX)
    .map(({ host, scope }): Spot => {
      const endpoint = withCa({ host, port: row.port, secure: true }, deployment.omni.caPem);
      return { ...endpoint, thirdParty: true, redirectScope: scope };
    });
  if (spots.length === 0) return undefined;
  const hosts = spots.map(({ host }) => host).join(", ");
  return { kind: "spots", spots, skipped: [], notes: [`${pattern} is judged by the hosts of redirects: ${hosts}`] };
}

function locateUnknown(
  pattern: string,
  unknown: { readonly why: string; readonly next: string } | undefined,
  deployment: Deployment,
): Located {
  if (deployment.airGapped !== undefined) return { kind: "not-applicable", why: withoutMirror([pattern]) };
  const why = unknown?.why ?? `no concrete host under ${pattern} is known`;
  return { kind: "unresolved", why, next: unknown?.next ?? "add a row of your own with a concrete host" };
}

/** Public hosts, or in an air-gapped site the mirrors that replace them. */
function locatePublic(row: Requirement, hosts: readonly string[], deployment: Deployment): Located {
  if (deployment.airGapped === undefined) {
    const spots = hosts.map((host) => ({
      ...withCa({ host, port: row.port, secure: true }, deployment.omni.caPem),
      thirdParty: true,
    }));
    return proxyOnly(row, deployment) ?? { kind: "spots", spots, skipped: [], notes: [] };
  }
  const found = hosts.map((host) => ({ host, mirrors: mirrorsOf(host, row, deployment) }));
  const spots = found.flatMap(({ mirrors }) => mirrors);
  if (spots.length === 0) return { kind: "not-applicable", why: withoutMirror(hosts) };
  const skipped = found
    .filter(({ mirrors }) => mirrors.length === 0)
    .map(({ host }) => ({ host, why: withoutMirror([host]) }));
  const notes = found.flatMap(({ host, mirrors }) => mirrors.map((mirror) => mirrorNote(host, mirror)));
  return { kind: "spots", spots, skipped, notes };
}

/** Behind a proxy that is the only way out, UDP reaches no public host. */
function proxyOnly(row: Requirement, deployment: Deployment): Located | undefined {
  const { httpProxy } = deployment.egress;
  if (httpProxy === undefined) return undefined;
  if (row.protocol === "udp") {
    const why = `the only way out is the proxy ${proxyName(httpProxy)}, which cannot carry UDP`;
    return { kind: "unresolved", why, next: "use a server inside the site and name it in the deployment" };
  }
  // TLS goes through the proxy (see resolve). Direct attempts are comparisons.
  return undefined;
}

/** The mirrors of a host, in the order in which they are tried; else those for every registry. */
function mirrorsOf(host: string, row: Requirement, { airGapped }: Deployment): readonly Spot[] {
  const all = airGapped?.mirrors ?? [];
  const own = all.filter(({ replaces }) => replaces.toLowerCase() === host.toLowerCase());
  const isRegistry = row.probes.some(({ probe }) => probe === "registry");
  const found = own.length > 0 || !isRegistry ? own : all.filter(({ replaces }) => replaces === ANY_REGISTRY);
  return found.map(({ with: endpoint, basePath, object }) => ({
    ...spot(endpoint),
    mirror: true,
    registry: { basePath, object, namespace: host },
  }));
}

function mirrorNote(host: string, mirror: Spot): string {
  return `${host} is replaced by the mirror ${mirror.host}:${mirror.port}`;
}

function withoutMirror(hosts: readonly string[]): string {
  return `the site is air-gapped and names no mirror for ${hosts.join(", ")}`;
}

function spot(endpoint: TrustedEndpoint): Spot {
  return { ...endpoint, mirror: false, thirdParty: false, inTunnel: false };
}

function withCa(endpoint: Endpoint, caPem: string | undefined): Spot {
  return caPem === undefined ? spot(endpoint) : { ...spot(endpoint), caPem };
}

/**
 * The prefix that Omni derives from an empty installation id (siderolink pkg/wireguard/address.go: SHA-256, first byte
 * fd, byte 7 is 03). It is the same where WireGuard runs over gRPC, as a real Omni v1.9.3 shows.
 */
const DERIVED_PREFIX = "fdae:41e4:649b:9303";

/** The node's own /64 of the tunnel: the observed one, else the derived one. */
export function tunnelPrefix({ siderolinkPrefix }: NodeFacts): string {
  return siderolinkPrefix ?? DERIVED_PREFIX;
}

function derivedAddress(facts: NodeFacts): string | undefined {
  const { siderolinkPrefix } = facts;
  // A node that is not configured to join Omni has no address in its tunnel.
  if (siderolinkPrefix === undefined && !isConfiguredToJoin(facts)) return undefined;
  return firstOfPrefix(tunnelPrefix(facts));
}

function inTunnelSpots(host: string | undefined, port: number): readonly Spot[] {
  if (host === undefined) return [];
  return [{ host, port, secure: false, mirror: false, thirdParty: false, inTunnel: true }];
}

function unreadableMachineApi(facts: NodeFacts): string | undefined {
  if (facts.machineApi === undefined) return facts.machineApiUnreadable;
  return observedMachineApi(facts) === undefined ? "it is not a URL of host and port" : undefined;
}

/** The Machine API that the node was given; undefined: none, or not one that can be read. */
export function observedMachineApi({ machineApi }: NodeFacts): Endpoint | undefined {
  return machineApi === undefined ? undefined : readMachineApi(machineApi);
}
