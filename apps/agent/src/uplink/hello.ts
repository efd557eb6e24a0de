/**
 * The first message of a stream: which node sends, and what it observes of itself. Sent again when that has changed.
 */
import { endpointName, type ProxyEndpoint } from "@lifeline/measure";
import type { NodeFacts, NodeProxy } from "@lifeline/prober";
import { reportPb } from "@lifeline/wire";
import type { TalosView } from "../talos/view.ts";
import type { NodeRole } from "./node-role.ts";

const WIRE_ROLES: Readonly<Record<NodeRole, reportPb.NodeRole>> = {
  "talos-node": reportPb.NodeRole.TALOS_NODE,
  "omni-host": reportPb.NodeRole.OMNI_HOST,
};

/** The facts of the node that a hello carries. */
export interface HelloFacts extends NodeFacts {
  /** Talos's view; undefined while it is not polled or does not answer. */
  readonly talos: TalosView | undefined;
}

/** A hello as an init of its message. */
export interface HelloInit {
  readonly nodeId: string;
  readonly bootId: Uint8Array;
  readonly agentVersion: string;
  readonly hostname: string;
  readonly roles: reportPb.NodeRole[];
  readonly ipVersions: number[];
  readonly siderolinkPrefix: string;
  readonly grpcTunnel?: boolean;
  readonly talosVersion: string;
  readonly planRevision: string;
  readonly resolvers: string[];
  readonly machineApi: string;
  readonly machineApiUnreadable: string;
  readonly addresses: string[];
  readonly gateways: string[];
  readonly proxy?: {
    readonly httpsProxy: string;
    readonly httpsProxyFault: string;
    readonly httpsProxyLacksPort: boolean;
    readonly httpProxy: string;
    readonly noProxy: string[];
  };
  readonly talos?: {
    readonly siderolinkHost: string;
    readonly siderolinkConnected?: boolean;
    readonly wireguardEndpoint: string;
  };
}

/** Which agent sends. */
export interface Sender {
  readonly nodeId: string;
  readonly bootId: Uint8Array;
  readonly agentVersion: string;
  readonly roles: readonly NodeRole[];
}

/**
 * Longest host name sent, characters (RFC 1035 §2.3.4), and longest version: a release name and a build's description.
 */
const HOSTNAME_MAX_LENGTH = 253;
const VERSION_MAX_LENGTH = 64;

/** Makes a hello. What a collector could not use is left out. */
export function makeHello(sender: Sender, facts: HelloFacts, planRevision: string): HelloInit {
  const { nodeId, bootId, agentVersion, roles } = sender;
  return {
    nodeId,
    bootId,
    agentVersion,
    hostname: printableAscii(facts.hostname, HOSTNAME_MAX_LENGTH),
    roles: roles.map((role) => WIRE_ROLES[role]),
    ipVersions: [...facts.families],
    siderolinkPrefix: facts.siderolinkPrefix ?? "",
    ...(facts.grpcTunnel === undefined ? {} : { grpcTunnel: facts.grpcTunnel }),
    talosVersion: printableAscii(facts.talosVersion ?? "", VERSION_MAX_LENGTH),
    planRevision,
    resolvers: [...(facts.resolvers ?? [])],
    machineApi: facts.machineApi ?? "",
    machineApiUnreadable: facts.machineApiUnreadable ?? "",
    addresses: [...facts.addresses],
    gateways: [...facts.gateways],
    ...(facts.proxy === undefined ? {} : { proxy: proxyInit(facts.proxy) }),
    ...(facts.talos === undefined ? {} : { talos: talosInit(facts.talos) }),
  };
}

function proxyInit(proxy: NodeProxy): NonNullable<HelloInit["proxy"]> {
  const { https, httpsFault = "", httpsLacksPort = false, http, noProxy } = proxy;
  const httpsProxy = { httpsProxy: urlOf(https), httpsProxyFault: httpsFault, httpsProxyLacksPort: httpsLacksPort };
  return { ...httpsProxy, httpProxy: urlOf(http), noProxy: [...noProxy] };
}

function urlOf(proxy: ProxyEndpoint | undefined): string {
  if (proxy === undefined) return "";
  return `${proxy.scheme ?? "http"}://${endpointName(proxy.host, proxy.port)}`;
}

function talosInit({
  siderolinkHost,
  siderolinkConnected,
  wireguardEndpoint,
}: TalosView): NonNullable<HelloInit["talos"]> {
  return {
    siderolinkHost,
    ...(siderolinkConnected === undefined ? {} : { siderolinkConnected }),
    wireguardEndpoint,
  };
}

/** The facts of a hello as text to compare: the same text, the same facts. The plan's revision is not a fact. */
export function factsText({ bootId: _, planRevision: __, ...facts }: HelloInit): string {
  return JSON.stringify(facts);
}

/** `text` cut to `maxLength`, with a question mark for each character that is not printable ASCII. */
function printableAscii(text: string, maxLength: number): string {
  return text.slice(0, maxLength).replace(/[^\x20-\x7e]/g, "?");
}
