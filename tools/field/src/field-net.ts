/**
 * The network of one case: a node, and a world that owns every other address.
 *
 *     node ── eth0 ── world (resolver, Omni, public hosts, proxies, time servers: one address each, on lo)
 */
import { defaultNodeFiles, type Host, openHost } from "@lifeline/lab";
import type { Clock } from "@lifeline/measure";
import pino from "pino";
import type { NodeSetup } from "./field-case.ts";

/** Addresses of the world (RFC 5737, RFC 3849, and the well-known NAT64 prefix of RFC 6052). */
export const WORLD = {
  resolver: { 4: "203.0.113.53", 6: "2001:db8:13::53" },
  omni: { 4: "203.0.113.10", 6: "2001:db8:13::10" },
  public: { 4: "203.0.113.20", 6: "2001:db8:13::20" },
  blobs: { 4: "203.0.113.21", 6: "2001:db8:13::21" },
  nat64: { 4: "203.0.113.64", 6: "64:ff9b::cb00:7114" },
  proxy: { 4: "203.0.113.30", 6: "2001:db8:13::30" },
  mirror: { 4: "203.0.113.40", 6: "2001:db8:13::40" },
  time: { 4: "203.0.113.60", 6: "2001:db8:13::60" },
} as const;

/** A resolver on the node's own link. */
export const LINK_RESOLVER = "fe80::53";
/** The world's end of the link, and the node's. */
export const WORLD_INTERFACE = "w0";
export const NODE_INTERFACE = "eth0";

const LINK = {
  4: { node: "198.51.100.2/24", world: "198.51.100.1/24", gateway: "198.51.100.1", all: "default" },
  6: { node: "2001:db8:14::2/64", world: "2001:db8:14::1/64", gateway: "2001:db8:14::1", all: "::/0" },
} as const;

/** The two hosts. */
export interface FieldNet {
  readonly node: Host;
  readonly world: Host;
  close(): Promise<void>;
}

/** Makes the network. Throws LabError `command-failed` where the machine refuses. */
export async function openFieldNet(setup: NodeSetup, clock: Clock): Promise<FieldNet> {
  const { families = [4] } = setup;
  const plan = { clock, log: pino({ level: "silent" }) };
  const node = await openHost({ ...plan, name: "node", files: nodeFiles(setup) });
  const world = await openHost({ ...plan, name: "world", files: {} });
  const close = async () => {
    await node.close();
    await world.close();
  };
  try {
    for (const host of [node, world]) {
      await host.sysctl({ "net.ipv6.conf.all.accept_dad": 0, "net.ipv6.conf.default.accept_dad": 0 });
    }
    await node.ip(`link add ${NODE_INTERFACE} type veth peer name ${WORLD_INTERFACE} netns ${world.pid}`);
    await node.ip(`link set ${NODE_INTERFACE} up`);
    const own = Object.values(WORLD).flatMap((address) => families.map((family) => address[family]));
    await world.ip(
      `link set ${WORLD_INTERFACE} up`,
      `addr add ${LINK_RESOLVER}/64 dev ${WORLD_INTERFACE} nodad`,
      ...families.map((family) => `addr add ${LINK[family].world} dev ${WORLD_INTERFACE}`),
      ...own.map((address) => `addr add ${address} dev lo`),
    );
    await node.ip(
      ...families.map((family) => `addr add ${LINK[family].node} dev ${NODE_INTERFACE}`),
      ...families.map((family) => `route add ${LINK[family].all} via ${LINK[family].gateway} dev ${NODE_INTERFACE}`),
    );
  } catch (error) {
    await close();
    throw error;
  }
  return { node, world, close };
}

function nodeFiles({ families = [4], resolvers, search, hosts = [], cmdline, talosVersion = "v1.13.0" }: NodeSetup) {
  const [family = 4] = families;
  const nameservers = resolvers ?? [WORLD.resolver[family]];
  return {
    ...defaultNodeFiles("node"),
    "/etc/resolv.conf": [
      ...nameservers.map((address) => `nameserver ${address}`),
      ...(search === undefined ? [] : [`search ${search}`]),
      "",
    ].join("\n"),
    "/etc/hosts": ["127.0.0.1 localhost", "::1 localhost", ...hosts, ""].join("\n"),
    "/etc/os-release": `NAME="Talos"\nID=talos\nVERSION_ID=${talosVersion}\n`,
    "/proc/cmdline": `talos.platform=metal${cmdline === undefined ? "" : ` ${cmdline}`}\n`,
  };
}
