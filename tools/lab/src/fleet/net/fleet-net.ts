/**
 * A fleet's network on one machine: nodes, a firewall hop, Omni and other servers, and a separate management network.
 *
 *     node1 ─┐                ┌─ omni (WireGuard 51820/udp, prefix::1 inside the tunnel)
 *     node2 ─┤  hop (router,  ├─ dns, proxy, … the servers in the options
 *     …     ─┘   faults)      ┘
 *       │                          │
 *     management bridge: collector 203.0.113.1; no fault touches it (U3)
 *
 * 1. Everything is in unnamed namespaces. The machine's own interfaces, routes, rules and files are not touched.
 *    Nothing is left when the fleet is closed or its creator exits for any reason.
 * 2. No host can reach anything outside the fleet.
 */
import { randomBytes } from "node:crypto";
import type { Clock } from "@lifeline/measure";
import type { Logger } from "pino";
import { LabError } from "../../lab-error.ts";
import type { InsertedWire } from "../../path/delay-wire.ts";
import {
  type DualAddress,
  HOSTS_MAX,
  managementAddress,
  nodeLink,
  nodeName,
  serverLink,
  TUNNEL_OMNI_ADDRESS,
  tunnelAddress,
} from "./address-plan.ts";
import { type Capture, capture } from "./capture.ts";
import { type Host, openHost } from "./host.ts";
import type { HostProcess } from "./host-process.ts";
import { delayFault, type NetFault, pathFault, type TunnelFault, tunnelFault } from "./net-fault.ts";
import {
  hopInterface,
  ipv6Ready,
  joinHop,
  joinManagement,
  OUTER_INTERFACE,
  openManagement,
  prepareHop,
  prepareHost,
} from "./net-link.ts";
import type { PathFaultSpec } from "./path-fault.ts";
import { openTunnel, type Tunnel } from "./wireguard-tunnel.ts";

/** A node, or a server behind the hop. */
export interface FleetHost extends Host {
  /** Its addresses on the tested path. */
  readonly outer: DualAddress;
  /** Its address on the management network. */
  readonly management: string;
}

/** A node. */
export interface FleetNode extends FleetHost {
  /** Its address inside the tunnel. */
  readonly tunnelAddress: string;
}

/** Files that lie over the machine's in each host. */
export const NODE_FILES = ["/etc/resolv.conf", "/etc/hosts", "/etc/os-release", "/proc/cmdline"] as const;

/** What to build. */
export interface FleetNetOptions {
  /** How many nodes, 1–60. Default: 4. */
  readonly nodes?: number;
  /** Names of servers behind the hop beside `omni`, each 1–12 of a–z and 0–9. Default: none. */
  readonly servers?: readonly string[];
  /**
   * Node name → delay each way on its link, ms, 0–10,000; default {@link LAN_DELAY_MS}. With 0 the link is a bare veth,
   * whose answers arrive inside the call that sends. An ICMP error then finds a connecting TCP socket locked, and Linux
   * reports it 1 s late, unlike on any real network.
   */
  readonly delayMs?: Readonly<Record<string, number>>;
  /**
   * Host name → path → content, over what {@link defaultNodeFiles} gives. Further paths may be named; they must exist.
   */
  readonly files?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Family by which nodes dial the SideroLink endpoint. Default: 4. */
  readonly endpointFamily?: 4 | 6;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A running fleet's network. */
export interface FleetNet {
  readonly nodes: readonly FleetNode[];
  readonly omni: FleetHost;
  readonly hop: Host;
  /** Where the collector runs; it has the management network and nothing else. */
  readonly collector: Host & { readonly management: string };
  readonly servers: Readonly<Record<string, FleetHost>>;
  readonly tunnel: Tunnel;
  /** The node of that name; throws `bad-input`. */
  node(name: string): FleetNode;
  /** A fault of that node's path, not yet injected. */
  path(node: string, spec: PathFaultSpec): NetFault;
  /** `delayMs` each way (0–10,000) on that node's link; the link must not have been built with a delay of 0. */
  delay(node: string, delayMs: number): NetFault;
  /** A fault of that node's tunnel ends, not yet injected. */
  tunnelFault(node: string, fault: TunnelFault): NetFault;
  /**
   * What an event sink does to a connection: a listener on `prefix::1` port `port` (default 8090, domain event sink)
   * that accepts.
   */
  openSink(port?: number): Promise<HostProcess>;
  /** Starts a capture on a host's interface; needs tcpdump. */
  capture(host: Host, device: string, filter: string): Promise<Capture>;
  /** Ends every process and takes all of it away. Idempotent. */
  close(): Promise<void>;
}

/**
 * Default delay each way of a node's link, ms: typical of a local network, and long enough for `connect()` to return.
 */
export const LAN_DELAY_MS = 0.1;

/** Port of the event sink inside the tunnel (siderolabs/omni, `event-sink-port`). */
const EVENT_SINK_PORT = 8_090;
const SERVER_NAME = /^[a-z0-9]{1,12}$/;
const RESERVED = ["hop", "omni", "collector"];
/** Accepts connections and reads them to their end; tells when it listens. */
const SINK = `
  const [host, port] = process.argv.slice(1);
  require("node:net").createServer((socket) => socket.on("error", () => {}).resume())
    .listen(Number(port), host, () => console.log("listening"));`;

/** The files of a Talos node configured for Omni; the join token is made up. */
export function defaultNodeFiles(name: string): Record<(typeof NODE_FILES)[number], string> {
  const api = "https://siderolink.omni.lab:8090?jointoken=made-up-token-of-the-lab";
  return {
    "/etc/resolv.conf": "",
    "/etc/hosts": `127.0.0.1 localhost\n::1 localhost\n127.0.1.1 ${name}\n`,
    "/etc/os-release": 'NAME="Talos"\nID=talos\nVERSION_ID=v1.13.0\nPRETTY_NAME="Talos (v1.13.0)"\n',
    "/proc/cmdline": `talos.platform=metal siderolink.api=${api}\n`,
  };
}

/**
 * Builds a fleet's network, with every tunnel configured. Throws `bad-input`, or `command-failed` where the machine
 * refuses.
 */
export async function createFleetNet(options: FleetNetOptions): Promise<FleetNet> {
  const { nodes = 4, servers = [], delayMs = {} } = options;
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > HOSTS_MAX) refuse("nodes", nodes, `1 to ${HOSTS_MAX}`);
  const names = Array.from({ length: nodes }, (_, at) => nodeName(at + 1));
  for (const name of servers) {
    if (!SERVER_NAME.test(name)) refuse("servers", name, "1 to 12 of a-z and 0-9");
    if ([...RESERVED, ...names].includes(name)) refuse("servers", name, "a name of no other host");
  }
  for (const name of Object.keys(delayMs)) if (!names.includes(name)) refuse("delayMs", name, names.join(", "));
  const opened: (() => Promise<unknown>)[] = [];
  const close = async () => {
    const failures: unknown[] = [];
    for (let undo = opened.pop(); undo !== undefined; undo = opened.pop()) {
      // One thing that will not go must not keep the others.
      await undo().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  };
  try {
    return await build(options, names, opened, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function build(
  options: FleetNetOptions,
  names: readonly string[],
  opened: (() => Promise<unknown>)[],
  close: () => Promise<void>,
): Promise<FleetNet> {
  const { servers = [], delayMs = {}, clock, log } = options;
  const open = async (name: string, files: Readonly<Record<string, string>> = {}) => {
    const host = await openHost({ name, files: { ...files, ...options.files?.[name] }, clock, log });
    opened.push(() => host.close());
    await prepareHost(host);
    return host;
  };
  const hop = await open("hop");
  await prepareHop(hop);
  const collector = { ...(await open("collector")), management: managementAddress("collector", 1) };
  await openManagement(collector, collector.management);
  const wires = new Map<string, InsertedWire>();
  const attach = async (kind: "node" | "server", name: string, number: number): Promise<FleetHost> => {
    const host = await open(name, kind === "node" ? defaultNodeFiles(name) : {});
    const link = kind === "node" ? nodeLink(number) : serverLink(number);
    const management = managementAddress(kind, number);
    const wire = await joinHop(host, hop, link, kind === "node" ? (delayMs[name] ?? LAN_DELAY_MS) : 0);
    opened.push(async () => wire?.close());
    if (wire !== undefined) wires.set(name, wire);
    await joinManagement(host, collector, management);
    return { ...host, outer: link.host, management };
  };
  const omni = await attach("server", "omni", 1);
  const others: Record<string, FleetHost> = {};
  for (const [at, name] of servers.entries()) others[name] = await attach("server", name, at + 2);
  const attached = await Promise.allSettled(
    names.map(async (name, at): Promise<FleetNode> => {
      return { ...(await attach("node", name, at + 1)), tunnelAddress: tunnelAddress(at + 1) };
    }),
  );
  // Wait for all before the first error is thrown, so that everything opened is known and closed.
  const nodes = attached.map((node) => {
    if (node.status === "fulfilled") return node.value;
    throw node.reason;
  });
  for (const host of [omni, ...Object.values(others), ...nodes]) {
    await ipv6Ready(clock, host, OUTER_INTERFACE);
    await ipv6Ready(clock, hop, hopInterface(host.name));
  }
  const tunnel = await openTunnel({
    omni,
    omniAddress: options.endpointFamily === 6 ? omni.outer.ipv6 : omni.outer.ipv4,
    nodes: Object.fromEntries(nodes.map((host) => [host.name, { host, address: host.tunnelAddress }])),
    omniInterface: `slk${randomBytes(5).toString("hex")}`,
    log,
  });
  opened.push(() => tunnel.close());

  let faults = 0;
  const node = (name: string) => nodes.find((host) => host.name === name) ?? refuse("node", name, names.join(", "));
  let closing: Promise<void> | undefined;
  return {
    nodes,
    omni,
    hop,
    collector,
    servers: others,
    tunnel,
    node,
    path(name, spec) {
      faults += 1;
      return pathFault({ hop, node: name, addresses: node(name).outer, number: faults }, spec);
    },
    delay(name, faultMs) {
      const wire = wires.get(node(name).name) ?? refuse("delayMs", 0, "a link with a delay, which can be changed");
      return delayFault(wire, faultMs, delayMs[name] ?? LAN_DELAY_MS);
    },
    tunnelFault: (name, fault) => tunnelFault(tunnel, node(name).name, fault),
    async openSink(port = EVENT_SINK_PORT) {
      const sink = omni.spawn(process.execPath, ["-e", SINK, TUNNEL_OMNI_ADDRESS, String(port)]);
      await sink.hasSaid("listening");
      return sink;
    },
    capture: (host, device, filter) => capture(clock, host, device, filter),
    close() {
      closing ??= close();
      return closing;
    },
  };
}

function refuse(field: string, value: unknown, expected: string): never {
  throw new LabError("bad-input", `${field}: ${value} is not right; expected ${expected}`);
}
