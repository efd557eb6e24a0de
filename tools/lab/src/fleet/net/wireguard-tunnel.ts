/**
 * A real WireGuard tunnel between Omni and every node, by wireguard-go: both ends as siderolink sets them up.
 *
 * 1. Keys are made by `wg genkey` for this fleet, live in our memory and the programs', and are never logged.
 * 2. Omni is `fdae:41e4:649b:9303::1/64`; each node has an address and a peer of its own.
 * 3. Keepalive 25 s both ways, MTU 1,280 (siderolink `pkg/wireguard`).
 */
import type { Logger } from "pino";
import { LabError } from "../../lab-error.ts";
import { TUNNEL_OMNI_ADDRESS, TUNNEL_PREFIX, TUNNEL_PREFIX_BITS } from "./address-plan.ts";
import type { Host } from "./host.ts";
import type { HostProcess } from "./host-process.ts";

/** The node's interface, as Talos names it. */
export const NODE_TUNNEL_INTERFACE = "siderolink";
/** The SideroLink port the published page names. */
export const SIDEROLINK_PORT = 51_820;
/** Inner MTU, bytes (siderolink `pkg/wireguard/wireguard.go`, LinkMTU). */
export const TUNNEL_MTU_BYTES = 1_280;
/** Persistent keepalive of both sides, s (siderolink, RecommendedKeepaliveInterval). */
export const KEEPALIVE_S = 25;

/**
 * Omni's kernel answers closed ports no faster than once a second after a few (Documentation/networking/ip-sysctl.rst):
 * the strict end.
 */
const ICMP_ERROR_GAP_MS = 1_000;

/** State of one peer in the output of `wg show`. */
export interface PeerState {
  /** Source address of the peer's latest packet, `host:port`; undefined before the first. */
  readonly endpoint: string | undefined;
  /** Seconds since the Unix epoch; 0 when there has been none. */
  readonly latestHandshakeS: number;
  readonly rxBytes: number;
  readonly txBytes: number;
}

/** A node's part of the tunnel. */
export interface TunnelNode {
  readonly host: Host;
  /** Address inside the tunnel. */
  readonly address: string;
}

/** The tunnel. */
export interface Tunnel {
  /** Omni's interface; its name is unique on this machine. */
  readonly omniInterface: string;
  /**
   * Brings a node's interface up, as Talos does once it is provisioned; default device {@link NODE_TUNNEL_INTERFACE}.
   */
  join(node: string, device?: string): Promise<void>;
  /** Takes a node's interface away: it has not joined. */
  leave(node: string): Promise<void>;
  /**
   * `disableIpv6` disables IPv6 on the node's interface, which also removes its address; `enableIpv6` restores both.
   */
  disableIpv6(node: string): Promise<void>;
  enableIpv6(node: string): Promise<void>;
  /**
   * `removePeer` removes the node's peer from Omni: the node's packets get no answer and its tunnel is stale. `addPeer`
   * adds it again with its last endpoint, as Omni's own link resource does, so Omni starts the handshake at once.
   */
  removePeer(node: string): Promise<void>;
  addPeer(node: string): Promise<void>;
  /** Sends a signal to Omni's WireGuard. */
  signalOmni(signal: NodeJS.Signals): void;
  /** The UDP port that the node's WireGuard sends from. */
  nodePort(node: string): Promise<number>;
  /** Restarts Omni's WireGuard, with every peer at its last endpoint except those in `without`. */
  restartOmni(options?: { readonly without?: readonly string[] }): Promise<void>;
  /** The node's own view of Omni. */
  nodeState(node: string): Promise<PeerState>;
  /** Omni's state of a node's peer; undefined while the peer is removed. */
  omniState(node: string): Promise<PeerState | undefined>;
  close(): Promise<void>;
}

/** What to build. */
export interface TunnelPlan {
  readonly omni: Host;
  /** Omni's outer address, which the nodes dial. */
  readonly omniAddress: string;
  readonly nodes: Readonly<Record<string, TunnelNode>>;
  readonly omniInterface: string;
  readonly log: Logger;
}

interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

interface Side {
  readonly host: Host;
  device: string;
  readonly address: string;
}

interface Seat extends Side {
  readonly keys: KeyPair;
  program: HostProcess | undefined;
}

/** Opens Omni's side with a peer for every node, and joins all nodes. */
export async function openTunnel(plan: TunnelPlan): Promise<Tunnel> {
  const omni = await seat({ host: plan.omni, device: plan.omniInterface, address: TUNNEL_OMNI_ADDRESS });
  const seats = new Map<string, Seat>();
  for (const [name, { host, address }] of Object.entries(plan.nodes)) {
    seats.set(name, await seat({ host, device: NODE_TUNNEL_INTERFACE, address }));
  }
  const find = (name: string): Seat => {
    const found = seats.get(name);
    if (found !== undefined) return found;
    throw new LabError("bad-input", `node: "${name}" is none of ${[...seats.keys()].join(", ")}`);
  };
  const startOmni = async (peers: ReadonlyMap<string, string | undefined>) => {
    const entries = [...peers].map(([name, endpoint]) => peerOfNode(find(name), endpoint));
    await start(omni, [`ListenPort = ${SIDEROLINK_PORT}`], entries);
  };
  const join = async (name: string, device = NODE_TUNNEL_INTERFACE) => {
    const node = find(name);
    if (node.program !== undefined) return;
    node.device = device;
    await start(node, [], [peerOfOmni(omni.keys, plan.omniAddress)]);
    plan.log.debug({ node: name }, "tunnel joined");
  };
  const omniPeers = async () => readPeers(await omni.host.run("wg", ["show", omni.device, "dump"]));
  const lastEndpoints = new Map<string, string>();
  const noteEndpoints = async () => {
    for (const [publicKey, { endpoint }] of await omniPeers()) {
      if (endpoint !== undefined) lastEndpoints.set(publicKey, endpoint);
    }
  };

  await plan.omni.sysctl({ "net.ipv6.icmp.ratelimit": ICMP_ERROR_GAP_MS });
  await startOmni(new Map([...seats.keys()].map((name) => [name, undefined])));
  await Promise.all([...seats.keys()].map((name) => join(name)));
  return {
    omniInterface: omni.device,
    join,
    leave: (name) => stop(find(name)),
    async disableIpv6(name) {
      const { host, device } = find(name);
      await host.sysctl({ [`net.ipv6.conf.${device}.disable_ipv6`]: 1 });
    },
    async enableIpv6(name) {
      const node = find(name);
      await node.host.sysctl({ [`net.ipv6.conf.${node.device}.disable_ipv6`]: 0 });
      await node.host.ip(`addr replace ${node.address}/${TUNNEL_PREFIX_BITS} dev ${node.device} nodad`);
    },
    async removePeer(name) {
      await noteEndpoints();
      await omni.host.run("wg", ["set", omni.device, "peer", find(name).keys.publicKey, "remove"]);
    },
    async addPeer(name) {
      const node = find(name);
      await configure(omni, "addconf", peerOfNode(node, lastEndpoints.get(node.keys.publicKey)));
    },
    signalOmni: (signal) => omni.program?.signal(signal),
    async nodePort(name) {
      const node = find(name);
      return Number(await node.host.run("wg", ["show", node.device, "listen-port"]));
    },
    async restartOmni({ without = [] } = {}) {
      without.forEach(find);
      await noteEndpoints();
      await stop(omni);
      const kept = [...seats].filter(([name]) => !without.includes(name));
      await startOmni(new Map(kept.map(([name, { keys }]) => [name, lastEndpoints.get(keys.publicKey)])));
    },
    async nodeState(name) {
      const node = find(name);
      const peers = readPeers(await node.host.run("wg", ["show", node.device, "dump"]));
      const state = peers.get(omni.keys.publicKey);
      if (state !== undefined) return state;
      throw new LabError("command-failed", `${name}: wg show names no Omni`);
    },
    omniState: async (name) => (await omniPeers()).get(find(name).keys.publicKey),
    async close() {
      await Promise.all([...seats.values(), omni].map(stop));
    },
  };
}

async function seat(side: Side): Promise<Seat> {
  const privateKey = (await side.host.run("wg", ["genkey"])).trim();
  const publicKey = (await side.host.run("wg", ["pubkey"], `${privateKey}\n`)).trim();
  return { ...side, keys: { privateKey, publicKey }, program: undefined };
}

async function start(seat: Seat, own: readonly string[], peers: readonly string[]): Promise<void> {
  const { host, device, address, keys } = seat;
  const program = host.spawn("wireguard-go", ["-f", device], {
    isServer: true,
    env: { LOG_LEVEL: "verbose", WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD: "1" },
  });
  seat.program = program;
  program.stdin.end();
  await program.hasSaid("UAPI listener started");
  const config = ["[Interface]", `PrivateKey = ${keys.privateKey}`, ...own, ...peers].join("\n");
  await configure(seat, "setconf", config);
  await host.ip(
    // A kernel's WireGuard device has no link-local address either.
    `link set ${device} mtu ${TUNNEL_MTU_BYTES} addrgenmode none`,
    `addr add ${address}/${TUNNEL_PREFIX_BITS} dev ${device} nodad`,
    `link set ${device} up`,
  );
}

/**
 * By a pipe of the shell's: wg opens /dev/stdin by name, and our standard input is a socket, which cannot be opened so.
 */
async function configure({ host, device }: Seat, how: "setconf" | "addconf", config: string): Promise<void> {
  await host.run("sh", ["-c", `cat | wg ${how} ${device} /dev/stdin`], `${config}\n`);
}

async function stop(seat: Seat): Promise<void> {
  const { program } = seat;
  seat.program = undefined;
  await program?.end();
}

function peerOfNode({ keys, address }: Seat, endpoint: string | undefined): string {
  const known = endpoint === undefined ? [] : [`Endpoint = ${endpoint}`];
  return peer(keys.publicKey, `${address}/128`, known);
}

function peerOfOmni({ publicKey }: KeyPair, address: string): string {
  const host = address.includes(":") ? `[${address}]` : address;
  return peer(publicKey, `${TUNNEL_PREFIX}::/${TUNNEL_PREFIX_BITS}`, [`Endpoint = ${host}:${SIDEROLINK_PORT}`]);
}

function peer(publicKey: string, allowed: string, more: readonly string[]): string {
  const keepalive = `PersistentKeepalive = ${KEEPALIVE_S}`;
  return ["[Peer]", `PublicKey = ${publicKey}`, `AllowedIPs = ${allowed}`, keepalive, ...more].join("\n");
}

/**
 * `wg show IF dump` (wg(8)): a line of the interface, then for each peer key, preshared, endpoint, allowed, handshake,
 * rx, tx, ….
 */
export function readPeers(dump: string): Map<string, PeerState> {
  const lines = dump.trimEnd().split("\n").slice(1);
  return new Map(
    lines.map((line) => {
      const [publicKey = "", , endpoint, , handshake, rx, tx] = line.split("\t");
      return [
        publicKey,
        {
          endpoint: endpoint === "(none)" ? undefined : endpoint,
          latestHandshakeS: Number(handshake),
          rxBytes: Number(rx),
          txBytes: Number(tx),
        },
      ];
    }),
  );
}
