/** The facts of a Hello that can be used, and how many cannot. */
import {
  canonicalAddress,
  literalFamily,
  type NodeFacts,
  type Origin,
  type ProxyFacts,
  readHostPort,
  readMachineApi,
} from "@lifeline/catalogue";
import type { IpFamily } from "@lifeline/measure";
import type { reportPb } from "@lifeline/wire";
import type { NodeDescription } from "../fleet/node.ts";
import { type DroppedFact, FactReader } from "./fact-reader.ts";

/** What a Hello says, as far as it can be used. */
export interface AdmittedHello extends NodeDescription {
  /** Of the plan that the agent has; empty: none. */
  readonly planRevision: string;
}

/** Longest names and versions, characters: a DNS name has at most 253 (RFC 1035 §2.3.4). */
const MAX_NAME_LENGTH = 253;
const MAX_VERSION_LENGTH = 64;

/** Most resolvers of a node: Linux uses three (resolv.conf(5), MAXNS), Talos lists what DHCP gave besides. */
const MAX_RESOLVERS = 16;

/** Most addresses of a node that are kept: what an agent sends at most. */
const MAX_ADDRESSES = 16;

/** Most gateways of a node that are kept: what an agent sends at most. */
const MAX_GATEWAYS = 8;

/** Most entries of NO_PROXY that are kept: what an agent sends at most. */
const MAX_NO_PROXY = 64;

const PRINTABLE = /^[\x20-\x7e]*$/;

const FAMILIES: readonly IpFamily[] = [4, 6];

/** reportPb.NodeRole by number. */
const ROLES: ReadonlyMap<number, Origin> = new Map([
  [1, "omni-host"],
  [2, "talos-node"],
]);

/** Reads a Hello whose identity is valid and whose fields are not too large. */
export function readHello(hello: reportPb.Hello): { hello: AdmittedHello; dropped: readonly DroppedFact[] } {
  const facts = new FactReader();
  const observed = facts.text("talos.wireguard_endpoint", hello.talos?.wireguardEndpoint ?? "", isEndpoint);
  const admitted: AdmittedHello = {
    hostname: facts.text("hostname", hello.hostname, printable(MAX_NAME_LENGTH)),
    agentVersion: facts.text("agent_version", hello.agentVersion, printable(MAX_VERSION_LENGTH)),
    planRevision: facts.text("plan_revision", hello.planRevision, printable(MAX_VERSION_LENGTH)),
    addresses: facts.list("addresses", hello.addresses, MAX_ADDRESSES, canonicalAddress),
    observedEndpoint: observed === "" ? undefined : observed,
    facts: readFacts(hello, facts),
  };
  return { hello: admitted, dropped: facts.dropped };
}

function readFacts(hello: reportPb.Hello, facts: FactReader): NodeFacts {
  const talosVersion = facts.text("talos_version", hello.talosVersion, printable(MAX_VERSION_LENGTH));
  const roles = facts.list("roles", hello.roles, ROLES.size, (role) => ROLES.get(role));
  const families = facts.list("ip_versions", hello.ipVersions, FAMILIES.length, familyOf);
  const siderolinkPrefix = facts.text("siderolink_prefix", hello.siderolinkPrefix, isPrefix);
  const resolvers = facts.list("resolvers", hello.resolvers, MAX_RESOLVERS, addressLiteral);
  const machineApi = facts.text("machine_api", hello.machineApi, isMachineApi);
  const unreadable = facts.text("machine_api_unreadable", hello.machineApiUnreadable, printable(MAX_NAME_LENGTH));
  const gateways = facts.list("gateways", hello.gateways, MAX_GATEWAYS, canonicalAddress);
  const proxy = readProxy(hello.proxy, facts);
  return {
    nodeId: hello.nodeId,
    roles,
    families: FAMILIES.filter((family) => families.includes(family)),
    ...(siderolinkPrefix === "" ? {} : { siderolinkPrefix }),
    ...(hello.grpcTunnel === undefined ? {} : { grpcTunnel: hello.grpcTunnel }),
    ...(talosVersion === "" ? {} : { talosVersion }),
    ...(resolvers.length === 0 ? {} : { resolvers }),
    ...(machineApi === "" ? {} : { machineApi }),
    ...(unreadable === "" ? {} : { machineApiUnreadable: unreadable }),
    ...(gateways.length === 0 ? {} : { gateways }),
    ...(proxy === undefined ? {} : { proxy }),
  };
}

/** Longest reason why a proxy cannot be used, characters. */
const MAX_FAULT_LENGTH = 128;

/** Undefined: the node names no proxy. */
function readProxy(proxy: reportPb.Hello["proxy"], facts: FactReader): ProxyFacts | undefined {
  const https = facts.proxy("proxy.https_proxy", proxy?.httpsProxy ?? "");
  const http = facts.proxy("proxy.http_proxy", proxy?.httpProxy ?? "");
  const fault = facts.text("proxy.https_proxy_fault", proxy?.httpsProxyFault ?? "", printable(MAX_FAULT_LENGTH));
  const noProxy = facts.list("proxy.no_proxy", proxy?.noProxy ?? [], MAX_NO_PROXY, noProxyEntry);
  if (https === undefined && http === undefined && fault === "") return undefined;
  return {
    ...(https === undefined ? {} : { https }),
    ...(fault === "" ? {} : { httpsFault: fault }),
    ...(proxy?.httpsProxyLacksPort ? { httpsLacksPort: true } : {}),
    ...(http === undefined ? {} : { http }),
    noProxy,
  };
}

function familyOf(version: number): IpFamily | undefined {
  return FAMILIES.find((family) => family === version);
}

function addressLiteral(address: string): string | undefined {
  return literalFamily(address) === undefined ? undefined : address;
}

function noProxyEntry(entry: string): string | undefined {
  return printable(MAX_NAME_LENGTH)(entry) && entry !== "" ? entry : undefined;
}

function printable(most: number): (text: string) => boolean {
  return (text) => text.length <= most && PRINTABLE.test(text);
}

function isPrefix(text: string): boolean {
  return text.split(":").length === 4 && literalFamily(`${text}::`) === 6;
}

function isEndpoint(text: string): boolean {
  return readHostPort(text) !== undefined;
}

function isMachineApi(text: string): boolean {
  return text.length <= MAX_NAME_LENGTH + MAX_VERSION_LENGTH && readMachineApi(text) !== undefined;
}
