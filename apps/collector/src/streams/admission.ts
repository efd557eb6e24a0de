/**
 * The door: what may be let in, decided from the message alone. What is refused says the field, the value and what would be right.
 *
 * 1. A node speaks only for itself: with mutual TLS its id is its certificate's name (S1).
 * 2. Everything has a bound (S2).
 * 3. Only what identifies a node keeps it out. An optional fact that cannot be used is left out and counted: an agent that is
 *    newer, or sees something odd, is worth more with one fact less than not at all.
 */
import {
  canonicalAddress,
  literalFamily,
  type NodeFacts,
  type Origin,
  type ProxyFacts,
  readEndpointUrl,
  readHostPort,
} from "@lifeline/catalogue";
import { type IpFamily, visibleText } from "@lifeline/measure";
import {
  BOOT_ID_BYTES,
  decodeReport,
  isNodeId,
  MAX_REPORT_BYTES,
  MAX_UNIX_MS,
  NODE_ID_WANTED,
  type Report,
  type reportPb,
} from "@lifeline/wire";
import type { StreamPrincipal } from "../identity/access.ts";

/** Refused codes of a report; stable, part of the contract. */
export type RefusalCode = "malformed" | "too-large";

/** Why something was not let in. */
export interface Refused {
  readonly field: string;
  readonly detail: string;
}

/** A node that may speak. */
export interface Introduction {
  readonly facts: NodeFacts;
  readonly hostname: string;
  readonly agentVersion: string;
  readonly planRevision: string;
  /** Addresses the node may be seen from, beside that of its stream. */
  readonly addresses: readonly string[];
  /** Where Talos says that its WireGuard peer is, host:port; undefined: it was not asked. */
  readonly observedEndpoint: string | undefined;
}

/** An optional fact that was left out, and how many of its values. The value itself is never told: it may carry a secret (S1). */
export interface DroppedFact {
  readonly field: string;
  readonly count: number;
}

export type HelloVerdict =
  | { readonly kind: "admitted"; readonly introduction: Introduction; readonly dropped: readonly DroppedFact[] }
  | ({ readonly kind: "invalid" } & Refused)
  /** The certificate names another node. */
  | ({ readonly kind: "foreign" } & Refused);

/**
 * How far ahead of both the agent's and the collector's clock a report is dated that counts as dated ahead, ms: a day. It is admitted none
 * the less, for a clock that was set back since has dated it, and it is evidence; no window that is ahead is judged by.
 */
export const MAX_AHEAD_MS = 24 * 3_600_000;

/** Longest names and versions, characters: a DNS name has at most 253 (RFC 1035 §2.3.4). */
const MAX_NAME_LENGTH = 253;
const MAX_VERSION_LENGTH = 64;

/** Most resolvers of a node: Linux uses three (resolv.conf(5), MAXNS), Talos lists what DHCP gave besides. */
const MAX_RESOLVERS = 16;

/** Most addresses of a node that are kept: what an agent sends at most. */
const MAX_ADDRESSES = 16;

/** Most entries of NO_PROXY that are kept: what an agent sends at most. */
const MAX_NO_PROXY = 64;

/** Longest text and list of a Hello that is looked at, far beyond any fact there is: what exceeds it is no agent's. */
const MAX_TEXT_LENGTH = 4_096;
const MAX_LIST_ENTRIES = 256;

const PRINTABLE = /^[\x20-\x7e]*$/;

const FAMILIES: readonly IpFamily[] = [4, 6];

/** reportPb.NodeRole by number. */
const ROLES: ReadonlyMap<number, Origin> = new Map([
  [1, "omni-host"],
  [2, "talos-node"],
]);

/** Judges a Hello of a stream on which `principal` may speak. */
export function admitHello(hello: reportPb.Hello, principal: StreamPrincipal): HelloVerdict {
  const invalid = identityProblem(hello) ?? excess(hello);
  if (invalid !== undefined) return { kind: "invalid", ...invalid };
  if (principal.kind === "node" && hello.nodeId !== principal.nodeId) {
    const detail = `got ${quoted(hello.nodeId)}, want ${quoted(principal.nodeId)}, the name of the certificate`;
    return { kind: "foreign", field: "hello.node_id", detail };
  }
  return { kind: "admitted", ...introductionOf(hello) };
}

function identityProblem({ nodeId, bootId }: reportPb.Hello): Refused | undefined {
  if (!isNodeId(nodeId)) return { field: "hello.node_id", detail: `got ${quoted(nodeId)}, want ${NODE_ID_WANTED}` };
  if (bootId.length === BOOT_ID_BYTES) return undefined;
  return { field: "hello.boot_id", detail: `got ${bootId.length} bytes, want ${BOOT_ID_BYTES} bytes` };
}

/** The first field that is larger than anything an agent would say. */
function excess(hello: reportPb.Hello): Refused | undefined {
  const sizes: [field: string, size: number, most: number, what: string][] = [
    ["agent_version", hello.agentVersion.length, MAX_TEXT_LENGTH, "characters"],
    ["hostname", hello.hostname.length, MAX_TEXT_LENGTH, "characters"],
    ["talos_version", hello.talosVersion.length, MAX_TEXT_LENGTH, "characters"],
    ["plan_revision", hello.planRevision.length, MAX_TEXT_LENGTH, "characters"],
    ["siderolink_prefix", hello.siderolinkPrefix.length, MAX_TEXT_LENGTH, "characters"],
    ["machine_api", hello.machineApi.length, MAX_TEXT_LENGTH, "characters"],
    ["proxy.https_proxy", hello.proxy?.httpsProxy.length ?? 0, MAX_TEXT_LENGTH, "characters"],
    ["proxy.http_proxy", hello.proxy?.httpProxy.length ?? 0, MAX_TEXT_LENGTH, "characters"],
    ["talos.wireguard_endpoint", hello.talos?.wireguardEndpoint.length ?? 0, MAX_TEXT_LENGTH, "characters"],
    ["roles", hello.roles.length, MAX_LIST_ENTRIES, "entries"],
    ["ip_versions", hello.ipVersions.length, MAX_LIST_ENTRIES, "entries"],
    ["resolvers", hello.resolvers.length, MAX_LIST_ENTRIES, "entries"],
    ["addresses", hello.addresses.length, MAX_LIST_ENTRIES, "entries"],
    ["proxy.no_proxy", hello.proxy?.noProxy.length ?? 0, MAX_LIST_ENTRIES, "entries"],
  ];
  const found = sizes.find(([, size, most]) => size > most);
  if (found === undefined) return undefined;
  const [field, size, most, what] = found;
  return { field: `hello.${field}`, detail: `got ${size} ${what}, want at most ${most}` };
}

/** What a Hello says that can be used, and what of it cannot. */
function introductionOf(hello: reportPb.Hello): { introduction: Introduction; dropped: readonly DroppedFact[] } {
  const dropped: DroppedFact[] = [];
  const list = <In, Out>(field: string, values: readonly In[], most: number, read: (value: In) => Out | undefined) => {
    const given = [...new Set(values)].map(read);
    // Two spellings may be one value.
    const usable = [...new Set(given.filter((value) => value !== undefined))];
    const kept = usable.slice(0, most);
    const lost = given.filter((value) => value === undefined).length + usable.length - kept.length;
    if (lost > 0) dropped.push({ field, count: lost });
    return kept;
  };
  const text = (field: string, value: string, isUsable: (value: string) => boolean) =>
    value === "" ? "" : (list(field, [value], 1, (it) => (isUsable(it) ? it : undefined))[0] ?? "");
  const hostname = text("hostname", hello.hostname, printable(MAX_NAME_LENGTH));
  const agentVersion = text("agent_version", hello.agentVersion, printable(MAX_VERSION_LENGTH));
  const planRevision = text("plan_revision", hello.planRevision, printable(MAX_VERSION_LENGTH));
  const talosVersion = text("talos_version", hello.talosVersion, printable(MAX_VERSION_LENGTH));
  const roles = list("roles", hello.roles, ROLES.size, (role) => ROLES.get(role));
  const families = list("ip_versions", hello.ipVersions, FAMILIES.length, (version) =>
    FAMILIES.find((family) => family === version),
  );
  const siderolinkPrefix = text("siderolink_prefix", hello.siderolinkPrefix, isPrefix);
  const resolvers = list("resolvers", hello.resolvers, MAX_RESOLVERS, (address) =>
    literalFamily(address) === undefined ? undefined : address,
  );
  const machineApi = text("machine_api", hello.machineApi, isMachineApi);
  const addresses = list("addresses", hello.addresses, MAX_ADDRESSES, canonicalAddress);
  const proxyEndpoint = (field: string, value: string) =>
    value === "" ? undefined : list(field, [value], 1, (it) => readHostPort(it))[0];
  const https = proxyEndpoint("proxy.https_proxy", hello.proxy?.httpsProxy ?? "");
  const http = proxyEndpoint("proxy.http_proxy", hello.proxy?.httpProxy ?? "");
  const noProxy = list("proxy.no_proxy", hello.proxy?.noProxy ?? [], MAX_NO_PROXY, (entry) =>
    printable(MAX_NAME_LENGTH)(entry) && entry !== "" ? entry : undefined,
  );
  const proxy: ProxyFacts = {
    ...(https === undefined ? {} : { https: { host: https.host, port: https.port } }),
    ...(http === undefined ? {} : { http: { host: http.host, port: http.port } }),
    noProxy,
  };
  const observed = text(
    "talos.wireguard_endpoint",
    hello.talos?.wireguardEndpoint ?? "",
    (endpoint) => readHostPort(endpoint) !== undefined,
  );
  const facts: NodeFacts = {
    nodeId: hello.nodeId,
    roles,
    families: FAMILIES.filter((family) => families.includes(family)),
    ...(siderolinkPrefix === "" ? {} : { siderolinkPrefix }),
    ...(hello.grpcTunnel === undefined ? {} : { grpcTunnel: hello.grpcTunnel }),
    ...(talosVersion === "" ? {} : { talosVersion }),
    ...(resolvers.length === 0 ? {} : { resolvers }),
    ...(machineApi === "" ? {} : { machineApi }),
    ...(https === undefined && http === undefined ? {} : { proxy }),
  };
  const observedEndpoint = observed === "" ? undefined : observed;
  return { introduction: { facts, hostname, agentVersion, planRevision, addresses, observedEndpoint }, dropped };
}

function printable(most: number): (text: string) => boolean {
  return (text) => text.length <= most && PRINTABLE.test(text);
}

function isPrefix(text: string): boolean {
  return text.split(":").length === 4 && literalFamily(`${text}::`) === 6;
}

function isMachineApi(text: string): boolean {
  const endpoint = text.includes("://") ? readEndpointUrl(text, ["https:", "grpc:"]) : readHostPort(text);
  return text.length <= MAX_NAME_LENGTH + MAX_VERSION_LENGTH && endpoint !== undefined;
}

export type ReportVerdict =
  | {
      readonly kind: "admitted";
      readonly report: Report;
      readonly sequence: number;
      /** Dated more than {@link MAX_AHEAD_MS} ahead. */
      readonly isAhead: boolean;
    }
  | ({ readonly kind: "refused"; readonly code: RefusalCode } & Refused);

/** The agent's wall clock when it sent a message, ms since the epoch; undefined when it does not say, or says what no clock does. */
export function sentAtMsOf({ sentUnixMs }: Pick<reportPb.Hello, "sentUnixMs">): number | undefined {
  return sentUnixMs > 0n && sentUnixMs <= BigInt(MAX_UNIX_MS) ? Number(sentUnixMs) : undefined;
}

/** Judges a report that arrived at `nowMs`. */
export function admitReport(envelope: reportPb.ReportEnvelope, nowMs: number): ReportVerdict {
  const refused = (code: RefusalCode, field: string, detail: string): ReportVerdict => ({
    kind: "refused",
    code,
    field,
    detail,
  });
  const { bootId, sequence, report: bytes } = envelope;
  if (bootId.length !== BOOT_ID_BYTES)
    return refused("malformed", "boot_id", `got ${bootId.length} bytes, want ${BOOT_ID_BYTES} bytes`);
  if (sequence < 1n || sequence > BigInt(Number.MAX_SAFE_INTEGER)) {
    return refused("malformed", "sequence", `got ${sequence}, want an integer from 1 to ${Number.MAX_SAFE_INTEGER}`);
  }
  if (bytes.length > MAX_REPORT_BYTES) {
    return refused("too-large", "report", `got ${bytes.length} bytes, want at most ${MAX_REPORT_BYTES} bytes`);
  }
  const decoded = decodeReport(bytes);
  if (!decoded.ok) {
    const { field, value, expected } = decoded.malformed;
    return refused("malformed", field, `got ${value}, want ${expected}`);
  }
  const latestMs = Math.max(nowMs, sentAtMsOf(envelope) ?? 0) + MAX_AHEAD_MS;
  const { sealedAtMs, windows } = decoded.value;
  const isAhead = sealedAtMs > latestMs || windows.some(({ endMs }) => endMs > latestMs);
  return { kind: "admitted", report: decoded.value, sequence: Number(sequence), isAhead };
}

function quoted(text: string): string {
  return `"${visibleText(text.slice(0, 80))}"`;
}
