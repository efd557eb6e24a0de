/**
 * The door: what may be let in, decided from the message alone. What is refused says the field, the value and what would be right.
 *
 * 1. A node speaks only for itself: with mutual TLS its id is its certificate's name (S1).
 * 2. Everything has a bound (S2).
 */
import { literalFamily, type NodeFacts, type Origin, readEndpointUrl, readHostPort } from "@lifeline/catalogue";
import type { IpFamily } from "@lifeline/measure";
import { BOOT_ID_BYTES, decodeReport, MAX_REPORT_BYTES, type Report, type reportPb } from "@lifeline/wire";

/** Refused codes of a report; stable, part of the contract. */
export type RefusalCode = "malformed" | "too-large" | "future-dated";

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
}

export type HelloVerdict =
  | { readonly kind: "admitted"; readonly introduction: Introduction }
  | ({ readonly kind: "invalid" } & Refused)
  /** The certificate names another node. */
  | ({ readonly kind: "foreign" } & Refused);

/** How far ahead of the collector's clock a report may be dated, ms: a day is a clock set by hand, more is none at all. */
export const MAX_AHEAD_MS = 24 * 3_600_000;

/** Longest names and versions, characters: a DNS name has at most 253 (RFC 1035 §2.3.4). */
const MAX_NAME_LENGTH = 253;
const MAX_VERSION_LENGTH = 64;

/** Most resolvers of a node: Linux uses three (resolv.conf(5), MAXNS), Talos lists what DHCP gave besides. */
const MAX_RESOLVERS = 16;

const NODE_ID = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;
const PRINTABLE = /^[\x20-\x7e]*$/;

/** reportPb.NodeRole by number. */
const ROLES: ReadonlyMap<number, Origin> = new Map([
  [1, "omni-host"],
  [2, "talos-node"],
]);

/** Judges a Hello. `clientName` is the certificate's name; `mutualTls` says whether there must be one. */
export function admitHello(hello: reportPb.Hello, clientName: string | undefined, mutualTls: boolean): HelloVerdict {
  const invalid = helloProblem(hello);
  if (invalid !== undefined) return { kind: "invalid", ...invalid };
  if (mutualTls && hello.nodeId !== clientName) {
    const detail = `got ${quoted(hello.nodeId)}, want ${quoted(clientName ?? "")}, the name of the certificate`;
    return { kind: "foreign", field: "hello.node_id", detail };
  }
  const { nodeId, hostname, agentVersion, planRevision } = hello;
  return { kind: "admitted", introduction: { facts: factsOf(hello, nodeId), hostname, agentVersion, planRevision } };
}

function helloProblem(hello: reportPb.Hello): Refused | undefined {
  const problem = (field: string, got: unknown, want: string): Refused => ({
    field: `hello.${field}`,
    detail: `got ${got}, want ${want}`,
  });
  if (!NODE_ID.test(hello.nodeId) || hello.nodeId.length > MAX_NAME_LENGTH) {
    return problem(
      "node_id",
      quoted(hello.nodeId),
      `1 to ${MAX_NAME_LENGTH} letters, digits, dots, underscores and hyphens`,
    );
  }
  if (hello.bootId.length !== BOOT_ID_BYTES)
    return problem("boot_id", `${hello.bootId.length} bytes`, `${BOOT_ID_BYTES} bytes`);
  const texts: [string, string, number][] = [
    ["agent_version", hello.agentVersion, MAX_VERSION_LENGTH],
    ["hostname", hello.hostname, MAX_NAME_LENGTH],
    ["talos_version", hello.talosVersion, MAX_VERSION_LENGTH],
    ["plan_revision", hello.planRevision, MAX_VERSION_LENGTH],
  ];
  for (const [field, text, most] of texts) {
    if (text.length > most || !PRINTABLE.test(text))
      return problem(field, quoted(text), `at most ${most} printable ASCII characters`);
  }
  if (hello.roles.length > ROLES.size || hello.roles.some((role) => !ROLES.has(role))) {
    return problem("roles", quoted(hello.roles.join(", ")), `at most ${ROLES.size} of 1 (omni host), 2 (talos node)`);
  }
  if (hello.ipVersions.length > 2 || hello.ipVersions.some((version) => version !== 4 && version !== 6)) {
    return problem("ip_versions", quoted(hello.ipVersions.join(", ")), "at most 2 of 4, 6");
  }
  if (hello.siderolinkPrefix !== "" && !isPrefix(hello.siderolinkPrefix)) {
    return problem(
      "siderolink_prefix",
      quoted(hello.siderolinkPrefix),
      "four groups, such as fdae:41e4:649b:9303, or nothing",
    );
  }
  if (
    hello.resolvers.length > MAX_RESOLVERS ||
    hello.resolvers.some((address) => literalFamily(address) === undefined)
  ) {
    return problem("resolvers", `a list of ${hello.resolvers.length}`, `at most ${MAX_RESOLVERS} IP addresses`);
  }
  if (hello.machineApi !== "" && !isMachineApi(hello.machineApi)) {
    // Never quoted: what is wrong with it may be the join token it still carries (S1).
    return problem("machine_api", "something else", "scheme, host and port without path or query, or nothing");
  }
  return undefined;
}

function isPrefix(text: string): boolean {
  return text.split(":").length === 4 && literalFamily(`${text}::`) === 6;
}

function isMachineApi(text: string): boolean {
  const endpoint = text.includes("://") ? readEndpointUrl(text, ["https:", "grpc:"]) : readHostPort(text);
  return text.length <= MAX_NAME_LENGTH + MAX_VERSION_LENGTH && endpoint !== undefined;
}

function factsOf(hello: reportPb.Hello, nodeId: string): NodeFacts {
  const roles = hello.roles.flatMap((role) => ROLES.get(role) ?? []);
  return {
    nodeId,
    roles: [...new Set(roles)],
    families: ([4, 6] satisfies IpFamily[]).filter((family) => hello.ipVersions.includes(family)),
    ...(hello.siderolinkPrefix === "" ? {} : { siderolinkPrefix: hello.siderolinkPrefix }),
    ...(hello.grpcTunnel === undefined ? {} : { grpcTunnel: hello.grpcTunnel }),
    ...(hello.talosVersion === "" ? {} : { talosVersion: hello.talosVersion }),
    ...(hello.resolvers.length === 0 ? {} : { resolvers: hello.resolvers }),
    ...(hello.machineApi === "" ? {} : { machineApi: hello.machineApi }),
  };
}

export type ReportVerdict =
  | { readonly kind: "admitted"; readonly report: Report; readonly sequence: number }
  | ({ readonly kind: "refused"; readonly code: RefusalCode } & Refused);

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
  const ahead = firstAhead(decoded.value, nowMs + MAX_AHEAD_MS);
  if (ahead !== undefined) {
    return refused(
      "future-dated",
      ahead.field,
      `got ${ahead.ms}, want at most ${nowMs + MAX_AHEAD_MS}, a day ahead of the collector's clock`,
    );
  }
  return { kind: "admitted", report: decoded.value, sequence: Number(sequence) };
}

function firstAhead({ sealedAtMs, windows }: Report, latestMs: number): { field: string; ms: number } | undefined {
  if (sealedAtMs > latestMs) return { field: "sealed_unix_ms", ms: sealedAtMs };
  const at = windows.findIndex(({ startMs, endMs }) => Math.max(startMs, endMs) > latestMs);
  const window = windows[at];
  return window && { field: `windows[${at}].end_unix_ms`, ms: Math.max(window.startMs, window.endMs) };
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
