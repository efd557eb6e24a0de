/** Plans: what an agent measures. The revision is a hash of the content, so equal plans have equal revisions. */
import { createHash } from "node:crypto";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type GrpcExpectation,
  type HttpExpectation,
  isAlpnName,
  isCertificatesPem,
  isDnsName,
  isGrpcMethod,
  isHostPattern,
  isRegistryObject,
  isRegistryPath,
  isRequestPath,
  isTargetHost,
  literalFamily,
  PROBE_KINDS,
  PROXY_SCHEMES,
  type ProbeOptions,
  type ProxyEndpoint,
  RECORD_TYPES,
  REDIRECT_SCOPES,
  type RegistryExpectation,
  TARGET_TEXT_WANTED,
  type Target,
  type Trust,
  targetId,
} from "@lifeline/measure";
import {
  PlanSchema,
  type TargetSchema,
  TrustKind,
  type Plan as WirePlan,
  type ProxyEndpoint as WireProxy,
  type Target as WireTarget,
  type Trust as WireTrust,
} from "./gen/lifeline/v1/report_pb.ts";
import {
  MAX_CA_PEM_LENGTH,
  MAX_CA_PEMS,
  MAX_DOCUMENTED_HOSTS,
  MAX_EVIDENCE_LENGTH,
  MAX_IDENTIFIER_LENGTH,
  MAX_OPTIONS,
  MAX_TARGETS_PER_NODE,
} from "./limits.ts";
import { type Decoded, decoding, integer, list, refuse, text } from "./malformed.ts";

/** What one node measures. Replaces the whole plan before it. */
export interface Plan {
  /** First 16 hexadecimal digits of the SHA-256 of the encoded content. */
  readonly revision: string;
  readonly targets: readonly Target[];
}

/** Bounds of a target's cadence and timeout, ms (see Target). */
const CADENCE_MS = { min: 100, max: 3_600_000 };
const TIMEOUT_MS = { min: 10, max: 60_000 };

/** Final HTTP statuses; those below are interim (RFC 9110 §15). */
const FINAL_STATUS = { min: 200, max: 599 };

/**
 * Sizes of an IP packet, bytes: the least that every host must accept (RFC 791 §3.1, RFC 8200 §5), and the usual jumbo
 * frame.
 */
const MTU_BYTES = { min4: 576, min6: 1_280, max: 9_000 };

/** Makes a plan of these targets, with its revision. */
export function makePlan(targets: readonly Target[]): Plan {
  return { revision: planToWire({ revision: "", targets }).revision, targets };
}

/** Encodes a plan. Its revision is computed from the content; `plan.revision` is ignored. */
export function planToWire(plan: Plan): WirePlan {
  const caPems: string[] = [];
  const wire = create(PlanSchema, { targets: plan.targets.map((target) => targetInit(target, caPems)), caPems });
  wire.revision = createHash("sha256").update(toBinary(PlanSchema, wire)).digest("hex").slice(0, 16);
  return wire;
}

/** Decodes a plan. Refuses the whole plan if a target is out of bounds or unknown. */
export function planFromWire(wire: WirePlan): Decoded<Plan> {
  return decoding(() => {
    const caPems = list("ca_pems", wire.caPems, MAX_CA_PEMS);
    for (const [at, pem] of caPems.entries()) {
      if (pem.length < 1 || pem.length > MAX_CA_PEM_LENGTH)
        refuse(`ca_pems[${at}]`, `${pem.length} characters`, `1 to ${MAX_CA_PEM_LENGTH}`);
      if (!isCertificatesPem(pem)) refuse(`ca_pems[${at}]`, "what is none", TARGET_TEXT_WANTED.certificates);
    }
    const targets = list("targets", wire.targets, MAX_TARGETS_PER_NODE).map((target, at) =>
      targetFromWire(`targets[${at}]`, target, caPems),
    );
    const ids = new Set<string>();
    for (const [at, { id }] of targets.entries()) {
      if (ids.has(id)) refuse(`targets[${at}]`, id, "each target once");
      ids.add(id);
    }
    return { revision: text("revision", wire.revision, 1, MAX_IDENTIFIER_LENGTH), targets };
  });
}

type TargetInit = Exclude<MessageInitShape<typeof TargetSchema>, { $typeName: string }>;

function targetInit(target: Target, caPems: string[]): TargetInit {
  const {
    requirementId,
    host,
    port,
    family,
    cadenceMs,
    timeoutMs,
    proxy,
    inTunnel = false,
    redirectScope = "",
  } = target;
  return {
    requirementId,
    host,
    port,
    ipVersion: family,
    cadenceMs,
    timeoutMs,
    options: optionsToWire(target.options, caPems),
    inTunnel,
    redirectScope,
    ...(proxy === undefined ? {} : { proxy: proxyInit(proxy, caPems) }),
  };
}

function proxyInit({ scheme = "http", host, port, trust, cleartextConnect }: ProxyEndpoint, caPems: string[]) {
  const given = trust === undefined ? {} : { trust: trustInit(trust, caPems) };
  return { scheme, host, port, cleartextConnect: cleartextConnect === true, ...given };
}

function trustInit(trust: Trust, caPems: string[]) {
  const caIndex = trust.kind === "private" ? indexOfCa(trust.caPem, caPems) : 0;
  const added = trust.addedCaPem === undefined ? {} : { addedCaIndex: indexOfCa(trust.addedCaPem, caPems) };
  if (trust.kind === "public") return { kind: TrustKind.PUBLIC, caIndex, ...added };
  return { kind: TrustKind.PRIVATE, caIndex, ...added, hostCaSha256: [...(trust.hostCaSha256 ?? [])] };
}

/** The index of the CA in the plan's list, to which it is added if it is new. */
function indexOfCa(caPem: string, caPems: string[]): number {
  if (!caPems.includes(caPem)) caPems.push(caPem);
  return caPems.indexOf(caPem);
}

function optionsToWire(options: ProbeOptions, caPems: string[]): NonNullable<TargetInit["options"]> {
  const trust = (given: Trust | undefined) => (given === undefined ? {} : { trust: trustInit(given, caPems) });
  switch (options.probe) {
    case "tcp":
      return { case: "tcp", value: { acceptReset: options.acceptReset } };
    case "tls":
      return {
        case: "tls" as const,
        value: { ...trust(options.trust), alpn: [...options.alpn], alpnRequired: options.alpnRequired },
      };
    case "http":
      return {
        case: "http" as const,
        value: {
          ...trust(options.trust),
          ...options.expect,
          statuses: [...options.expect.statuses],
          documentedHosts: [...(options.documentedHosts ?? [])],
        },
      };
    case "grpc":
      return { case: "grpc" as const, value: { ...trust(options.trust), ...options.expect } };
    case "registry":
      return {
        case: "registry" as const,
        value: {
          ...trust(options.trust),
          ...options.expect,
          documentedHosts: [...options.expect.documentedHosts],
        },
      };
    case "dns":
      return { case: "dns", value: { query: options.query, transport: options.transport, type: options.type } };
    case "udp":
      return { case: "udp", value: { payloadBytes: options.payloadBytes, expectRefusal: options.expectRefusal } };
    case "stamp":
      return { case: "stamp", value: { authenticated: options.authenticated } };
    case "link":
      return { case: "link", value: {} };
    case "mtu":
      return { case: "mtu", value: { authenticated: options.authenticated, requiredBytes: options.requiredBytes } };
    case "ntp":
      return { case: "ntp", value: {} };
    case "nts":
      return { case: "nts", value: trust(options.trust) };
  }
}

function targetFromWire(field: string, wire: WireTarget, caPems: readonly string[]): Target {
  const options = optionsFromWire(field, wire, caPems);
  const proxy = proxyFromWire(`${field}.proxy`, wire.proxy, options, caPems);
  const target = {
    requirementId: text(`${field}.requirement_id`, wire.requirementId, 1, MAX_IDENTIFIER_LENGTH),
    host: readHost(`${field}.host`, wire.host),
    port: options.probe === "link" ? integer(`${field}.port`, wire.port, 0, 0) : readPort(`${field}.port`, wire.port),
    ...(proxy === undefined ? {} : { proxy }),
    family: oneOf(`${field}.ip_version`, wire.ipVersion, [4, 6] as const),
    ...(wire.inTunnel ? { inTunnel: withoutProxy(`${field}.in_tunnel`, proxy) } : {}),
    ...(wire.redirectScope === ""
      ? {}
      : { redirectScope: oneOf(`${field}.redirect_scope`, wire.redirectScope, REDIRECT_SCOPES) }),
    options,
    cadenceMs: integer(`${field}.cadence_ms`, wire.cadenceMs, CADENCE_MS.min, CADENCE_MS.max),
    timeoutMs: integer(`${field}.timeout_ms`, wire.timeoutMs, TIMEOUT_MS.min, TIMEOUT_MS.max),
  };
  refuseOtherFamily(field, target);
  return { id: text(field, targetId(target), 1, MAX_IDENTIFIER_LENGTH), ...target };
}

function withoutProxy(field: string, proxy: ProxyEndpoint | undefined): true {
  return proxy === undefined ? true : refuse(field, "a target with a proxy", "one or the other");
}

/** The address that is dialled, of the proxy if there is one, is of the IP version of the target. */
function refuseOtherFamily(field: string, { host, family, proxy }: Omit<Target, "id">): void {
  const dialled = proxy?.host ?? host;
  const own = literalFamily(dialled) ?? family;
  if (own !== family) refuse(`${field}.ip_version`, family, `${own}, that of ${dialled}`);
}

function optionsFromWire(field: string, wire: WireTarget, caPems: readonly string[]): ProbeOptions {
  const { options } = wire;
  switch (options.case) {
    case "tcp":
      return { probe: "tcp", acceptReset: options.value.acceptReset };
    case "tls":
      return {
        probe: "tls",
        trust: requiredTrust(`${field}.tls.trust`, options.value.trust, caPems),
        ...alpnFromWire(`${field}.tls`, options.value),
      };
    case "http": {
      const trust = trustFromWire(`${field}.http.trust`, options.value.trust, caPems);
      return {
        probe: "http",
        ...(trust === undefined ? {} : { trust }),
        expect: expectFromWire(`${field}.http`, options.value),
        ...(options.value.documentedHosts.length === 0
          ? {}
          : { documentedHosts: hostPatternsFromWire(`${field}.http`, options.value.documentedHosts) }),
      };
    }
    case "registry": {
      const trust = trustFromWire(`${field}.registry.trust`, options.value.trust, caPems);
      return {
        probe: "registry",
        ...(trust === undefined ? {} : { trust }),
        expect: registryFromWire(`${field}.registry`, options.value),
      };
    }
    case "grpc": {
      const trust = trustFromWire(`${field}.grpc.trust`, options.value.trust, caPems);
      return {
        probe: "grpc",
        ...(trust === undefined ? {} : { trust }),
        expect: grpcExpectFromWire(`${field}.grpc`, options.value),
      };
    }
    case "dns":
      return {
        probe: "dns",
        query: textThat(isDnsName, `${field}.dns.query`, options.value.query, TARGET_TEXT_WANTED.dnsName),
        transport: oneOf(`${field}.dns.transport`, options.value.transport, ["udp", "tcp"] as const),
        type: oneOf(`${field}.dns.type`, options.value.type, RECORD_TYPES),
      };
    case "udp":
      // 6: Omni's TUN drops inner packets under 54 bytes; 1,232: what fits the IPv6 minimum MTU of 1,280 (RFC 8200 §5).
      return {
        probe: "udp",
        payloadBytes: integer(`${field}.udp.payload_bytes`, options.value.payloadBytes, 6, 1_232),
        expectRefusal: options.value.expectRefusal,
      };
    case "stamp":
      return { probe: "stamp", authenticated: options.value.authenticated };
    case "link":
      return { probe: "link" };
    case "mtu":
      return {
        probe: "mtu",
        authenticated: options.value.authenticated,
        requiredBytes: integer(
          `${field}.mtu.required_bytes`,
          options.value.requiredBytes,
          wire.ipVersion === 6 ? MTU_BYTES.min6 : MTU_BYTES.min4,
          MTU_BYTES.max,
        ),
      };
    case "ntp":
      return { probe: "ntp" };
    case "nts":
      return { probe: "nts", trust: requiredTrust(`${field}.nts.trust`, options.value.trust, caPems) };
    case undefined:
      return refuse(`${field}.options`, "a protocol this agent does not know", `one of ${PROBE_KINDS.join(", ")}`);
  }
}

/** Protocols that CONNECT can tunnel. */
const PROXIED: readonly ProbeOptions["probe"][] = ["tls", "http", "grpc", "registry"];

function proxyFromWire(
  field: string,
  wire: WireProxy | undefined,
  { probe }: ProbeOptions,
  caPems: readonly string[],
): ProxyEndpoint | undefined {
  if (wire === undefined) return undefined;
  if (!PROXIED.includes(probe)) refuse(field, probe, `a probe of ${PROXIED.join(", ")}`);
  const scheme = oneOf(`${field}.scheme`, wire.scheme, PROXY_SCHEMES);
  const trust = trustFromWire(`${field}.trust`, wire.trust, caPems);
  if (trust !== undefined && scheme !== "https") refuse(`${field}.trust`, "a trust", `none for ${scheme}`);
  if (trust !== undefined && wire.cleartextConnect) refuse(`${field}.cleartext_connect`, "a trust", "one or the other");
  return {
    ...(scheme === "http" ? {} : { scheme }),
    host: readHost(`${field}.host`, wire.host),
    port: readPort(`${field}.port`, wire.port),
    ...(trust === undefined ? {} : { trust }),
    ...(wire.cleartextConnect ? { cleartextConnect: true } : {}),
  };
}

function alpnFromWire(field: string, { alpn, alpnRequired }: { alpn: string[]; alpnRequired: boolean }) {
  const names = list(`${field}.alpn`, alpn, MAX_OPTIONS).map((name, at) =>
    textThat(isAlpnName, `${field}.alpn[${at}]`, name, TARGET_TEXT_WANTED.alpnName),
  );
  if (alpnRequired && names.length === 0) refuse(`${field}.alpn`, "no name", "one at least, for alpn_required is set");
  return { alpn: names, alpnRequired };
}

function readHost(field: string, host: string): string {
  return textThat(isTargetHost, field, host, TARGET_TEXT_WANTED.host);
}

/** A text within the bounds of an identifier, which `accepts` accepts. */
function textThat(accepts: (value: string) => boolean, field: string, value: string, expected: string): string {
  text(field, value, 1, MAX_IDENTIFIER_LENGTH);
  return accepts(value) ? value : refuse(field, value, expected);
}

function readPort(field: string, port: number): number {
  return integer(field, port, 1, 65_535);
}

function expectFromWire(
  field: string,
  wire: { method: string; path: string; version: string; statuses: number[]; body: string },
): HttpExpectation {
  return {
    ...(wire.body === "" ? {} : { body: oneOf(`${field}.body`, wire.body, ["empty"] as const) }),
    method: oneOf(`${field}.method`, wire.method, ["GET", "HEAD"] as const),
    path: textThat(isRequestPath, `${field}.path`, wire.path, TARGET_TEXT_WANTED.requestPath),
    version: oneOf(`${field}.version`, wire.version, ["1.1", "2"] as const),
    statuses: list(`${field}.statuses`, wire.statuses, MAX_OPTIONS).map((status) =>
      integer(`${field}.statuses`, status, FINAL_STATUS.min, FINAL_STATUS.max),
    ),
  };
}

function hostPatternsFromWire(field: string, hosts: readonly string[]): readonly string[] {
  return list(`${field}.documented_hosts`, hosts, MAX_DOCUMENTED_HOSTS).map((host, at) =>
    textThat(isHostPattern, `${field}.documented_hosts[${at}]`, host, TARGET_TEXT_WANTED.hostPattern),
  );
}

function registryFromWire(
  field: string,
  wire: { basePath: string; object: string; objectRequired: boolean; namespace: string; documentedHosts: string[] },
): RegistryExpectation {
  const { basePath, object, objectRequired, namespace, documentedHosts } = wire;
  return {
    basePath: textThat(isRegistryPath, `${field}.base_path`, basePath, TARGET_TEXT_WANTED.registryPath),
    ...(object === ""
      ? {}
      : { object: textThat(isRegistryObject, `${field}.object`, object, TARGET_TEXT_WANTED.registryObject) }),
    objectRequired,
    ...(namespace === "" ? {} : { namespace: readHost(`${field}.namespace`, namespace) }),
    documentedHosts: hostPatternsFromWire(field, documentedHosts),
  };
}

/** Largest gRPC status that is accepted: nine digits, as the probe reads them. */
const GRPC_STATUS_MAX = 999_999_999;

function grpcExpectFromWire(
  field: string,
  { method, status, message }: { method: string; status: number; message: string },
): GrpcExpectation {
  return {
    method: textThat(isGrpcMethod, `${field}.method`, method, TARGET_TEXT_WANTED.grpcMethod),
    status: integer(`${field}.status`, status, 0, GRPC_STATUS_MAX),
    message: text(`${field}.message`, message, 1, MAX_EVIDENCE_LENGTH),
  };
}

function requiredTrust(field: string, wire: WireTrust | undefined, caPems: readonly string[]): Trust {
  return trustFromWire(field, wire, caPems) ?? refuse(field, "nothing", "a trust");
}

function trustFromWire(field: string, wire: WireTrust | undefined, caPems: readonly string[]): Trust | undefined {
  if (wire === undefined) return undefined;
  const { kind, caIndex, addedCaIndex, hostCaSha256 } = wire;
  const added = addedCaIndex === undefined ? {} : { addedCaPem: caAt(`${field}.added_ca_index`, addedCaIndex, caPems) };
  const hashed = hashesFromWire(`${field}.host_ca_sha256`, hostCaSha256);
  if (kind === TrustKind.PUBLIC) {
    return hashed === undefined
      ? { kind: "public", ...added }
      : refuse(`${field}.host_ca_sha256`, "hashes", "none for public");
  }
  if (kind !== TrustKind.PRIVATE) return refuse(`${field}.kind`, kind, "public (1) or private (2)");
  const caPem = caAt(`${field}.ca_index`, caIndex, caPems);
  return { kind: "private", caPem, ...added, ...(hashed === undefined ? {} : { hostCaSha256: hashed }) };
}

/** SHA-256 in lower-case hexadecimal. */
const SHA256 = /^[0-9a-f]{64}$/;

/** Undefined: there are none. */
function hashesFromWire(field: string, hashes: readonly string[]): readonly string[] | undefined {
  const read = list(field, hashes, MAX_OPTIONS).map((hash, at) =>
    SHA256.test(hash) ? hash : refuse(`${field}[${at}]`, hash, "64 hexadecimal digits in lower case"),
  );
  return read.length === 0 ? undefined : read;
}

function caAt(field: string, index: number, caPems: readonly string[]): string {
  return caPems[index] ?? refuse(field, index, `below ${caPems.length}, the number of ca_pems`);
}

function oneOf<T extends string | number>(field: string, value: string | number, allowed: readonly T[]): T {
  return allowed.find((candidate) => candidate === value) ?? refuse(field, value, `one of ${allowed.join(", ")}`);
}
