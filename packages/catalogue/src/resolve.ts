/**
 * Resolves a catalogue to the targets of one node in one deployment. Pure.
 *
 * 1. The result has every row of the catalogue once, in order: with targets, or with the reason why there are none.
 * 2. An *unresolved* row applies but cannot be measured. It is never a pass (M4).
 * 3. IPv4 and IPv6 are two targets (M1). A family that the node lacks is recorded, not dropped.
 * 4. A target's id depends only on the row and the endpoint, not on the order of rows.
 */
import {
  type Cause,
  endpointName,
  type IpFamily,
  literalFamily,
  PROXY_SCHEMES,
  type ProbeKind,
  type ProbeOptions,
  type ProxyEndpoint,
  proxyName,
  type RecordType,
  type RegistryExpectation,
  recordTypeOf,
  type Target,
  type Trust,
  targetId,
} from "@lifeline/measure";
import type { Catalogue } from "./catalogue.ts";
import { exemption, type NodeFacts } from "./condition.ts";
import type { Deployment } from "./deployment.ts";
import { documentedHosts } from "./documented-hosts.ts";
import { firstOfPrefix, isLoopback } from "./endpoint.ts";
import { coversPrefix, httpsProxyFor, isProxied } from "./no-proxy.ts";
import { isPublicWithSaas, type Located, locate, type Spot, serviceSpots, tunnelPrefix } from "./place.ts";
import { askedBy } from "./proxy-client.ts";
import type { Check, ProbePlan, Requirement, Service, TrustSource } from "./requirement.ts";
import { type SiteFacts, siteFactsOf } from "./site-facts.ts";

/** Times of probes that do not state their own. */
export interface PlanTimes {
  /** Time between attempts in ms, 100–3,600,000. */
  readonly cadenceMs: number;
  /** Loss threshold in ms by protocol, 10–60,000. */
  readonly timeoutMs: Readonly<Record<ProbeKind, number>>;
}

/**
 * Default times.
 *
 * - Cadence: one attempt a second, so that three losses in a row show a fault within 3–5 s (P1 allows a single node
 *   once a second).
 * - One packet: 950 ms. Linux retransmits a SYN after 1 s (RFC 6298 §2.1, TCP_TIMEOUT_INIT), so a connect within 950 ms
 *   is one SYN and one sample. UDP, STAMP and DNS have the same threshold, to be comparable and to stay within the
 *   cadence.
 * - Handshakes: 2000 ms. TCP, TLS 1.3 and an answer take three round trips, and one more if the server asks for another
 *   key share. With a round-trip time of 250 ms, that leaves 1 s for a retransmission. A silent exchange is watched for
 *   two seconds more (LATE_WATCH_MS of packages/measure), so two that never end show within 5 s.
 * - Time servers: 2500 ms for the answer to one packet. Their packets are 2 s apart at least, so that a path with a
 *   delay of a second loses nothing.
 * - Registries: 10 s. An attempt takes up to four requests there, and one for a token.
 */
export const DEFAULT_TIMES: PlanTimes = {
  cadenceMs: 1_000,
  timeoutMs: {
    dns: 950,
    tcp: 950,
    udp: 950,
    stamp: 950,
    link: 950,
    mtu: 950,
    tls: 2_000,
    http: 2_000,
    grpc: 2_000,
    ntp: 2_500,
    nts: 2_500,
    registry: 10_000,
  },
};

/** An endpoint of a row that this node does not measure; `family` absent: both families. */
export interface Skipped {
  readonly host: string;
  readonly family?: IpFamily;
  readonly why: string;
}

/** One row, resolved. */
export type ResolvedRow =
  | {
      readonly requirement: Requirement;
      readonly kind: "targets";
      /** At least one; ids differ. */
      readonly targets: readonly Target[];
      /**
       * Ids of targets measured only for comparison with the path that the node uses, such as the direct path of a node
       * with a proxy. Never required.
       */
      readonly comparisonIds: readonly string[];
      /** Ids of targets that somebody outside the site runs (Requirement.operator). */
      readonly thirdPartyIds: readonly string[];
      /** Endpoints (host:port) of which one is enough, such as the mirrors of one host. Empty: each must work. */
      readonly alternatives: readonly string[];
      readonly skipped: readonly Skipped[];
      /** Notes for people: which hosts are measured for a wildcard, which mirror replaces a host. */
      readonly notes: readonly string[];
    }
  /** Judged by facts about the node. */
  | { readonly requirement: Requirement; readonly kind: "check"; readonly check: CheckedFacts }
  | { readonly requirement: Requirement; readonly kind: "not-applicable"; readonly why: string }
  | {
      readonly requirement: Requirement;
      readonly kind: "unresolved";
      readonly why: string;
      readonly next: string;
      /** Default: not-measured. */
      readonly cause?: Cause;
    };

/** What a check is judged by. For `clock` and `unique-node` the collector gives the judge the facts. */
export type CheckedFacts =
  | {
      readonly name: "tunnel-bypasses-proxy";
      /** The node's /64 of the tunnel, such as `fdae:41e4:649b:9303::/64`. */
      readonly prefix: string;
      /** host:port of the proxy for HTTPS. */
      readonly proxy: string;
      readonly noProxy: readonly string[];
      /** Whether an entry of NO_PROXY covers the prefix. */
      readonly bypassed: boolean;
    }
  | { readonly name: "clock" }
  | { readonly name: "unique-node" };

/** All rows of a catalogue for one node. */
export interface Resolution {
  readonly catalogueVersion: string;
  readonly rows: readonly ResolvedRow[];
  /** Absent: nothing is known. */
  readonly site?: SiteFacts;
}

/** Resolves every row of `catalogue` for one node. */
export function resolve(
  catalogue: Catalogue,
  deployment: Deployment,
  facts: NodeFacts,
  times: PlanTimes = DEFAULT_TIMES,
): Resolution {
  const documented = documentedHosts(catalogue, deployment);
  const rows = catalogue.requirements.map((row) => resolveRow(row, { deployment, facts, times, documented }));
  return { catalogueVersion: catalogue.version, rows, site: siteFactsOf(deployment, facts) };
}

/** The targets of a resolution, in row order. */
export function resolvedTargets(resolution: Resolution): readonly Target[] {
  return resolution.rows.flatMap((row) => (row.kind === "targets" ? row.targets : []));
}

/** What every row is resolved with. */
interface Surroundings {
  readonly deployment: Deployment;
  readonly facts: NodeFacts;
  readonly times: PlanTimes;
  /** Hosts and wildcard domains that answers may redirect to. */
  readonly documented: readonly string[];
}

function resolveRow(requirement: Requirement, surroundings: Surroundings): ResolvedRow {
  const { deployment, facts } = surroundings;
  const exempt = exemption(requirement, deployment, facts);
  if (exempt !== undefined) return { requirement, ...exempt };
  if (requirement.check !== undefined) {
    return { requirement, kind: "check", check: checkedFacts(requirement.check, facts) };
  }
  const located = locate(requirement, deployment, facts);
  if (located.kind !== "spots") return { requirement, ...located };
  return targetRow(requirement, located, surroundings);
}

/** Port of the event sink inside the tunnel (omni internal/pkg/config, eventSinkPort). */
const EVENT_SINK_PORT = 8_090;

function checkedFacts(name: Check, facts: NodeFacts): CheckedFacts {
  if (name !== "tunnel-bypasses-proxy") return { name };
  const prefix = `${tunnelPrefix(facts)}::/64`;
  const { https, noProxy = [] } = facts.proxy ?? {};
  // The only address in the tunnel that nodes dial.
  const server = firstOfPrefix(prefix) ?? prefix;
  return {
    name,
    prefix,
    proxy: https === undefined ? "" : proxyName(https),
    noProxy,
    bypassed: coversPrefix(noProxy, prefix) || httpsProxyFor(server, EVENT_SINK_PORT, facts.proxy) === undefined,
  };
}

function targetRow(
  requirement: Requirement,
  located: Extract<Located, { kind: "spots" }>,
  surroundings: Surroundings,
): ResolvedRow {
  const { deployment, facts } = surroundings;
  const behindFault = behindProxyFault(requirement, located.spots, facts);
  if (behindFault !== undefined) return behindFault;
  const aimed: Aimed = { targets: new Map(), compared: new Set(), thirdParty: new Set(), skipped: new Map() };
  const { targets, compared, thirdParty, skipped } = aimed;
  const notes = [...located.notes];
  for (const skip of located.skipped) skipped.set(skip.host, skip);
  for (const plan of requirement.probes) {
    const spots = plan.to ? serviceSpots(plan.to, requirement.port, deployment, facts) : located.spots;
    if (spots.length === 0)
      notes.push(`${plan.probe} is not measured: the deployment names no ${plan.to ?? "endpoint"}`);
    const asked = plan.probe === "dns" ? askedName(plan, requirement.port, deployment, facts) : plan;
    for (const spot of spots) {
      const proxy = proxyOf(requirement, spot, surroundings, notes);
      for (const recordType of recordTypesOf(plan, facts)) {
        const aim = { ...surroundings, requirement, plan: asked, spot, proxy, recordType };
        addTargets(aim, aimed);
      }
    }
  }
  addRedirects(requirement, located.spots, surroundings, aimed, notes);
  if (targets.size > 0 && targets.size === compared.size) return onlyCompared(requirement);
  if (targets.size > 0) {
    return {
      requirement,
      kind: "targets",
      targets: [...targets.values()],
      skipped: [...skipped.values()],
      comparisonIds: [...compared],
      thirdPartyIds: [...thirdParty],
      alternatives: alternativesOf(located.spots),
      notes,
    };
  }
  const why = [...skipped.values()].map((skip) => `${skip.host}: ${skip.why}`).join("; ");
  return {
    requirement,
    kind: "unresolved",
    why: why || "none of the row's probes can measure its endpoint",
    next: "give the node an address and a route of the endpoint's family, or name an endpoint that it can reach",
  };
}

/** What is measured of the host of a redirect. Its path is not known, so no request is made. */
const REDIRECT_PROBES: readonly ProbePlan[] = [
  { probe: "tcp", acceptReset: false },
  { probe: "tls", trust: "public", alpn: ["h2", "http/1.1"], alpnRequired: false },
];

/** Port of redirects (learned-redirects.ts). */
const HTTPS_PORT = 443;

/** Adds the hosts that this row's endpoints redirect to, with notes for people. */
function addRedirects(
  requirement: Requirement,
  spots: readonly Spot[],
  surroundings: Surroundings,
  aimed: Aimed,
  notes: string[],
): void {
  for (const spot of redirectSpots(requirement, spots, surroundings.facts)) {
    const proxy = proxyOf(requirement, spot, surroundings, notes);
    for (const plan of REDIRECT_PROBES) {
      addTargets({ ...surroundings, requirement, plan, spot, proxy, recordType: undefined }, aimed);
    }
    notes.push(`${spot.host} is measured, because an endpoint of this row redirects to it`);
  }
}

/** The hosts that this row's endpoints redirect to. Those of a mirror are the site's, and trust the mirror's CA. */
function redirectSpots({ id }: Requirement, spots: readonly Spot[], { redirects = [] }: NodeFacts): readonly Spot[] {
  const mirror = spots.find((spot) => spot.mirror);
  return redirects
    .filter(({ requirementId }) => requirementId === id)
    .map(({ host, scope }) => ({
      host,
      port: HTTPS_PORT,
      secure: true,
      mirror: mirror !== undefined,
      inTunnel: false,
      thirdParty: mirror === undefined,
      redirectScope: mirror === undefined ? scope : "site",
      ...(mirror?.caPem === undefined ? {} : { caPem: mirror.caPem }),
    }));
}

/** The mirrors of a row, if it has several: containerd tries one after the other. */
function alternativesOf(spots: readonly Spot[]): readonly string[] {
  const mirrors = new Set(spots.filter(({ mirror }) => mirror).map(({ host, port }) => endpointName(host, port)));
  return mirrors.size > 1 ? [...mirrors] : [];
}

/** A row that the node reaches through a proxy that cannot be used. Undefined: it does not. */
function behindProxyFault(requirement: Requirement, spots: readonly Spot[], facts: NodeFacts): ResolvedRow | undefined {
  const { httpsFault, httpsLacksPort } = facts.proxy ?? {};
  if (!spots.some((spot) => reachesByOwnProxy(requirement, spot, facts))) return undefined;
  if (httpsFault !== undefined) return unsupportedProxy(requirement, httpsFault);
  return httpsLacksPort && requirement.proxyKinds !== undefined ? portlessProxy(requirement) : undefined;
}

/** Whether the node reaches the spot through the proxy of its HTTPS_PROXY. Its direct path then shows nothing. */
function reachesByOwnProxy(requirement: Requirement, spot: Spot, { proxy }: NodeFacts): boolean {
  return proxy !== undefined && mayBeProxied(requirement, spot) && isProxied(spot.host, spot.port, proxy);
}

function unsupportedProxy(requirement: Requirement, fault: string): ResolvedRow {
  return {
    requirement,
    kind: "unresolved",
    cause: "unsupported-proxy",
    why: `the node reaches it through a proxy that Lifeline cannot use (${fault})`,
    next: `Node owner: correct the proxy variable, or use a proxy of ${PROXY_SCHEMES.join(", ")}; or list the hosts in NO_PROXY if the node reaches them directly.`,
  };
}

/** Talos dials host and port of the URL as they are written, and so dials nothing without a port. */
function portlessProxy(requirement: Requirement): ResolvedRow {
  return {
    requirement,
    kind: "unresolved",
    cause: "unsupported-proxy",
    why: "the URL in HTTPS_PROXY names no port, without which Talos cannot dial the proxy for this endpoint; clients of container images take the default port",
    next: "Node owner: write the port of the proxy into HTTPS_PROXY, such as http://proxy.example:3128.",
  };
}

/** A row with only comparisons is unresolved: direct attempts show nothing about the path through a proxy (M4). */
function onlyCompared(requirement: Requirement): ResolvedRow {
  const probes = [...new Set(requirement.probes.map(({ probe }) => probe))].join(", ");
  return {
    requirement,
    kind: "unresolved",
    why: `it is reached through an HTTP proxy, and none of the row's probes (${probes}) can go through one`,
    next: `add a probe that a proxy carries (${PROXIED.join(", ")}), or list the hosts in NO_PROXY if the node reaches them directly`,
  };
}

interface Aim extends Surroundings {
  readonly requirement: Requirement;
  readonly plan: ProbePlan;
  readonly spot: Spot;
  /** The proxy for HTTPS to the spot; undefined: direct. */
  readonly proxy: ProxyEndpoint | undefined;
  /** What a DNS probe queries; undefined for other probes. */
  readonly recordType: RecordType | undefined;
}

/**
 * The records that a DNS probe queries: those of each family that the node has a route for, as the node does. Over TCP
 * one type is enough, because it shows the transport.
 */
function recordTypesOf(plan: ProbePlan, facts: NodeFacts): readonly (RecordType | undefined)[] {
  if (plan.probe !== "dns") return [undefined];
  const types = routedFamilies(facts).map(recordTypeOf);
  return plan.transport === "tcp" ? types.slice(0, 1) : types;
}

/** Results collected for a row. */
interface Aimed {
  readonly targets: Map<string, Target>;
  /** Ids of targets for comparison only. */
  readonly compared: Set<string>;
  /** Ids of targets that somebody outside the site runs. */
  readonly thirdParty: Set<string>;
  readonly skipped: Map<string, Skipped>;
}

/** The proxy for HTTPS to the endpoint, as the row's client asks it. Adds what people should know of it to `notes`. */
function proxyOf(
  requirement: Requirement,
  spot: Spot,
  { deployment, facts }: Surroundings,
  notes: string[],
): ProxyEndpoint | undefined {
  const named = namedProxy(requirement, spot, deployment, facts);
  if (named === undefined) return undefined;
  const { proxy, note } = askedBy(requirement, named, facts.talosVersion);
  const trusted = withTrust(proxy, deployment.egress.caPem);
  for (const one of [note, imageNote(requirement, trusted, facts)]) {
    if (one !== undefined && !notes.includes(one)) notes.push(one);
  }
  return trusted;
}

/** A node that has not joined has no machine configuration yet, and so only the CAs of its image. */
function imageNote(
  { inspectionBreaks, proxyKinds }: Requirement,
  proxy: ProxyEndpoint,
  { siderolinkPrefix }: NodeFacts,
): string | undefined {
  const isDialledEarly = inspectionBreaks !== undefined && proxyKinds !== undefined && siderolinkPrefix === undefined;
  if (!isDialledEarly || proxy.trust === undefined) return undefined;
  return `a node that joins trusts only the CAs of its image, so the image must hold the CA of ${proxyName(proxy)}`;
}

/** The node's own proxy, else the site's for public endpoints. */
function namedProxy(
  requirement: Requirement,
  spot: Spot,
  { egress, kind }: Deployment,
  { proxy }: NodeFacts,
): ProxyEndpoint | undefined {
  const { place } = requirement;
  if (!mayBeProxied(requirement, spot)) return undefined;
  if (proxy !== undefined) return httpsProxyFor(spot.host, spot.port, proxy);
  const isPublic = !spot.mirror && (place.kind !== "service" || (kind === "saas" && isPublicWithSaas(place.service)));
  return isPublic ? egress.httpProxy : undefined;
}

/** The proxy with the CA that the deployment names for its certificate. */
function withTrust(proxy: ProxyEndpoint, caPem: string | undefined): ProxyEndpoint {
  if (proxy.scheme !== "https" || proxy.cleartextConnect || caPem === undefined) return proxy;
  return { ...proxy, trust: { kind: "private", caPem } };
}

function mayBeProxied({ place, protocol }: Requirement, spot: Spot): boolean {
  if (spot.inTunnel || protocol === "udp") return false;
  return place.kind !== "service" || isBehindProxy(place.service);
}

/** A node reaches the proxy itself, resolvers and time servers without a proxy. */
function isBehindProxy(service: Service): boolean {
  return !["http-proxy", "resolver", "time-server"].includes(service);
}

/** The protocols that an HTTP proxy carries end to end (CONNECT). */
const PROXIED: readonly ProbeKind[] = ["tls", "http", "grpc", "registry"];

function addTargets(aim: Aim, aimed: Aimed): void {
  const { plan, spot, facts, proxy } = aim;
  for (const target of directTargets(aim, aimed.skipped)) {
    if (aimed.targets.has(target.id)) continue;
    aimed.targets.set(target.id, target);
    if (spot.thirdParty) aimed.thirdParty.add(target.id);
    if (proxy !== undefined) aimed.compared.add(target.id);
  }
  if (proxy === undefined || !PROXIED.includes(plan.probe)) return;
  for (const family of proxyFamilies(proxy, facts)) {
    const proxied = targetOf(aim, family, proxy);
    if (proxied === undefined || aimed.targets.has(proxied.id)) continue;
    aimed.targets.set(proxied.id, proxied);
    if (spot.thirdParty) aimed.thirdParty.add(proxied.id);
  }
}

/** The targets without a proxy. With one they are comparisons, which cost an endpoint no more than a handshake (P1). */
function directTargets(aim: Aim, skipped: Aimed["skipped"]): readonly Target[] {
  const { plan, spot, facts, proxy } = aim;
  const { host } = spot;
  if (proxy !== undefined && plan.probe === "registry") return [];
  return familiesOf(spot).flatMap((family) => {
    if (spot.inTunnel || isLoopback(host) || routedFamilies(facts).includes(family)) {
      return targetOf(aim, family, undefined) ?? [];
    }
    if (proxy === undefined)
      skipped.set(`${host} ${family}`, { host, family, why: `this node has no route for IPv${family}` });
    return [];
  });
}

function targetOf(aim: Aim, family: IpFamily, proxy: ProxyEndpoint | undefined): Target | undefined {
  const { requirement, plan, spot, times } = aim;
  const { host, port } = spot;
  const options = optionsOf(aim, family);
  if (options === undefined) return undefined;
  const through = proxy === undefined ? {} : { proxy };
  const inside = spot.inTunnel && plan.probe !== "link" ? { inTunnel: true as const } : {};
  const scoped = spot.redirectScope === undefined ? {} : { redirectScope: spot.redirectScope };
  const endpoint = { requirementId: requirement.id, host, port, family, options, ...inside, ...scoped, ...through };
  const cadenceMs = plan.cadenceMs ?? times.cadenceMs;
  const timeoutMs = plan.timeoutMs ?? times.timeoutMs[plan.probe];
  return { id: targetId(endpoint), ...endpoint, cadenceMs, timeoutMs };
}

/** The address families over which the node reaches the proxy. */
function proxyFamilies({ host }: ProxyEndpoint, facts: NodeFacts): readonly IpFamily[] {
  const family = literalFamily(host);
  return family === undefined ? routedFamilies(facts) : [family];
}

/** The plan with the name to query: the host name of the service, unless that is an address. */
function askedName(
  plan: Extract<ProbePlan, { probe: "dns" }>,
  port: number,
  deployment: Deployment,
  facts: NodeFacts,
): ProbePlan {
  const spots = plan.ask === undefined ? [] : serviceSpots(plan.ask, port, deployment, facts);
  const named = spots.find(({ host }) => literalFamily(host) === undefined);
  return named === undefined ? plan : { ...plan, query: named.host };
}

/** IPv4 for a node without any route, because skipping both families would hide that it is cut off. */
function routedFamilies({ families }: NodeFacts): readonly IpFamily[] {
  return families.length === 0 ? [4] : families;
}

/** A literal has its own family. A name is measured over both, because only its resolver knows its families. */
function familiesOf(spot: Spot): readonly IpFamily[] {
  const family = literalFamily(spot.host);
  if (family !== undefined) return [family];
  // The tunnel carries only IPv6 (siderolink pkg/wireguard).
  return spot.inTunnel ? [6] : [4, 6];
}

/** The probe's options at this endpoint; undefined for TLS at a cleartext endpoint. */
function optionsOf(
  { requirement, plan, spot, deployment, documented, recordType }: Aim,
  family: IpFamily,
): ProbeOptions | undefined {
  const { stampAuthenticated: authenticated } = deployment.omni;
  const trustIn = (source: TrustSource) => trustOf(requirement, source, spot, deployment);
  const secured = spot.secure && "trust" in plan ? { trust: trustIn(plan.trust) } : {};
  switch (plan.probe) {
    case "tcp":
      return { probe: "tcp", acceptReset: plan.acceptReset };
    case "tls": {
      const { alpn, alpnRequired } = plan;
      return spot.secure ? { probe: "tls", trust: trustIn(plan.trust), alpn, alpnRequired } : undefined;
    }
    case "http":
      // The path is that of the original host. A mirror serves images and not that path.
      return spot.mirror ? undefined : { probe: "http", expect: plan.expect, ...secured, documentedHosts: documented };
    case "registry":
      return { probe: "registry", expect: registryOf(plan.object, spot, documented), ...secured };
    case "grpc":
      return { probe: "grpc", expect: plan.expect, ...secured };
    case "dns":
      return {
        probe: "dns",
        query: plan.query,
        transport: plan.transport,
        type: recordType ?? recordTypeOf(family),
      };
    case "udp":
      return { probe: "udp", payloadBytes: plan.payloadBytes, expectRefusal: plan.expectRefusal ?? false };
    case "stamp":
      return { probe: "stamp", authenticated };
    case "link":
      return { probe: "link" };
    case "ntp":
      return { probe: "ntp" };
    case "nts":
      return { probe: "nts", trust: trustIn(plan.trust) };
    case "mtu":
      return {
        probe: "mtu",
        authenticated,
        requiredBytes: family === 4 ? plan.requiredBytes.ipv4 : plan.requiredBytes.ipv6,
      };
  }
}

/** A public registry must have the image of the catalogue; a mirror must have the one that the deployment names. */
function registryOf(
  object: string | undefined,
  { registry }: Spot,
  documentedHosts: readonly string[],
): RegistryExpectation {
  const asked = registry?.object ?? object;
  return {
    basePath: registry?.basePath ?? "/v2",
    ...(asked === undefined ? {} : { object: asked }),
    objectRequired: registry === undefined || registry.object !== undefined,
    ...(registry === undefined ? {} : { namespace: registry.namespace }),
    documentedHosts,
  };
}

/**
 * The deployment decides the trust of a mirror, because mirrors need not have public certificates. The CAs by which the
 * site inspects TLS count beside a private CA too. One that is declared by its SHA-256 counts where the node has it.
 */
function trustOf(requirement: Requirement, source: TrustSource, spot: Spot, { egress }: Deployment): Trust {
  const cas = requirement.inspectionBreaks === undefined ? egress.tlsInspection : [];
  const pems = cas.flatMap(({ caPem = [] }) => caPem);
  const added = pems.length === 0 ? {} : { addedCaPem: pems.join("\n") };
  if (spot.caPem === undefined || (source === "public" && !spot.mirror)) return { kind: "public", ...added };
  const hashes = cas.flatMap(({ caPem, sha256 }) => (caPem === undefined ? [sha256] : []));
  const held = hashes.length === 0 ? {} : { hostCaSha256: hashes };
  return { kind: "private", caPem: spot.caPem, ...added, ...held };
}
