/**
 * The programs of the lab on its hosts: Omni's services, the collector, the reflector; and what nodes and agents are
 * given.
 */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { COLLECTOR_NODE } from "@lifeline/bundle";
import {
  defaultNodeFiles,
  type FleetNet,
  type FleetNode,
  type Host,
  type HostProcess,
  SIDEROLINK_PORT,
  serverLink,
  TUNNEL_PREFIX,
} from "@lifeline/lab";
import { stringify } from "yaml";
import { DrillError } from "./drill-error.ts";

/** The lab's names (`.test`: RFC 6761 §6.2), and one public host that stands for all of them. */
export const OMNI_NAME = "omni.lab.test";
export const MACHINE_API_NAME = "siderolink.lab.test";
export const PUBLIC_NAME = "ghcr.io";
const DISCOVERY_NAME = "discovery.talos.dev";

/** Ports of the lab's Omni. */
export const PORTS = {
  api: 443,
  machineApi: 8_090,
  siderolink: SIDEROLINK_PORT,
  dns: 53,
  proxy: 3_128,
  middlebox: 4_443,
  reflector: 862,
  time: 123,
} as const;

const root = resolve(import.meta.dirname, "../../..");
/** The programs as built. */
export const PROGRAMS = {
  agent: join(root, "apps/agent/dist/main.js"),
  collector: join(root, "apps/collector/dist/main.js"),
  reflector: join(root, "apps/reflector/dist/main.js"),
  services: join(root, "tools/lab/dist/services/main.js"),
  observer: join(root, "tools/drill/dist/observer/main.js"),
};

/**
 * A program that answers every datagram with itself, at the address and port it is given (RFC 862).
 */
export const ECHO = `
  const [address, port] = process.argv.slice(1);
  const { createSocket } = require("node:dgram");
  const socket = createSocket({ type: "udp6" }, (bytes, { port, address }) => socket.send(bytes, port, address));
  socket.bind(Number(port), address, () => console.log("listening"));`;

/**
 * A program that dials the addresses and the port it is given every two seconds, as Omni dials its nodes: no node of
 * the lab listens there.
 */
export const DIAL = `
  const [port, ...hosts] = process.argv.slice(1);
  const dial = (host) => {
    const socket = require("node:net").connect({ host, port: Number(port), timeout: 1500 });
    socket.on("timeout", () => socket.destroy()).on("error", () => {});
  };
  setInterval(() => hosts.forEach(dial), 2000);
  console.log("dialling");`;

/** Where Omni dials a node: Talos's apid. */
export const NODE_API_PORT = 50_000;

/** Omni is the first server of the network, and its resolver too. */
const OMNI_SERVER = 1;

/** The files of a node that lie over the machine's: path → content. */
export function nodeFiles(name: string): Record<string, string> {
  const api = `https://${MACHINE_API_NAME}:${PORTS.machineApi}?jointoken=made-up-token-of-the-lab`;
  return {
    ...defaultNodeFiles(name),
    "/etc/resolv.conf": `nameserver ${serverLink(OMNI_SERVER).host.ipv4}\n`,
    "/proc/cmdline": `talos.platform=metal siderolink.api=${api}\n`,
  };
}

/**
 * More addresses of public hosts, on the servers' side of the hop: a second one of {@link PUBLIC_NAME}, its IPv6
 * address, and blobs.
 */
export const SECOND_PUBLIC_ADDRESS = "192.0.2.241";
export const PUBLIC_IPV6 = "2001:db8:2:f1::1";
export const BLOB_ADDRESS = "192.0.2.242";
export const BLOB_NAME = "pkg-containers.githubusercontent.com";

/** The programs of Omni's services, by what they do. */
export interface ServicePrograms {
  /**
   * Control socket of the program with the resolver and the time server. It is a program of its own, so that nodes
   * resolve names while Omni hangs.
   */
  readonly dnsControl: string;
  readonly omniControl: string;
  readonly omni: HostProcess;
}

/** Starts Omni's services: web, Machine API, proxy, middlebox; and DNS and time as a program of their own. */
export async function startServices(net: FleetNet, folder: string): Promise<ServicePrograms> {
  const { ipv4, ipv6 } = net.omni.outer;
  const more = [SECOND_PUBLIC_ADDRESS, BLOB_ADDRESS];
  await net.omni.ip(...more.map((address) => `addr add ${address}/32 dev lo`));
  await net.omni.ip(`addr add ${PUBLIC_IPV6}/128 dev lo nodad`);
  await net.hop.ip(...more.map((address) => `route add ${address}/32 via ${ipv4}`));
  await net.hop.ip(`route add ${PUBLIC_IPV6}/128 via ${ipv6}`);
  const web = [...more, `[${PUBLIC_IPV6}]`].map((address) => `${address}:${PORTS.api}`);
  const both = (port: number) => [`${ipv4}:${port}`, `[${ipv6}]:${port}`];
  const flag = (name: string, values: readonly string[]) => values.flatMap((value) => [`--${name}`, value]);
  const addresses = `${ipv4},${ipv6}`;
  const names = [
    ...flag("omni-name", [`${OMNI_NAME}=${addresses}`, `${MACHINE_API_NAME}=${addresses}`]),
    ...flag("public-name", [
      `${PUBLIC_NAME}=${ipv4},${SECOND_PUBLIC_ADDRESS},${PUBLIC_IPV6}`,
      `${DISCOVERY_NAME}=${addresses}`,
      `${BLOB_NAME}=${BLOB_ADDRESS}`,
    ]),
  ];
  const [dnsControl, omniControl] = [join(folder, "dns.sock"), join(folder, "omni.sock")];
  const dns = [...flag("dns", both(PORTS.dns)), ...flag("ntp", both(PORTS.time)), ...names, "--control", dnsControl];
  await spawnReady(net.omni, "resolver", [PROGRAMS.services, ...dns], "\n");
  const omni = await spawnReady(
    net.omni,
    "services",
    [
      PROGRAMS.services,
      ...flag("web", [...both(PORTS.api), ...web]),
      ...flag("machine-api", both(PORTS.machineApi)),
      ...flag("proxy", both(PORTS.proxy)),
      ...flag("proxy-reaches", [...both(PORTS.api), ...both(PORTS.machineApi)]),
      ...flag("middlebox", [`${ipv4}:${PORTS.middlebox}=${ipv4}:${PORTS.api}`]),
      ...names,
      ...flag("issuer", [
        `${PUBLIC_NAME}=Sectigo Limited`,
        `${DISCOVERY_NAME}=Let's Encrypt`,
        `${BLOB_NAME}=Sectigo Limited`,
      ]),
      "--control",
      omniControl,
      "--ca-folder",
      folder,
    ],
    "\n",
  );
  return { dnsControl, omniControl, omni };
}

/** The deployment file in the lab's folder. */
export const deploymentFileIn = (folder: string) => join(folder, "deployment.yaml");

/** Starts the collector. */
export async function startCollector(net: FleetNet, folder: string): Promise<void> {
  const { omni, collector } = net;
  const { ipv4, ipv6 } = omni.outer;
  const endpoints = [`${ipv4}:${PORTS.siderolink}`, `[${ipv6}]:${PORTS.siderolink}`];
  const deployment = {
    version: 1,
    name: "lab",
    kind: "on-prem",
    omni: {
      api: `https://${OMNI_NAME}`,
      machineApi: `https://${MACHINE_API_NAME}:${PORTS.machineApi}`,
      siderolink: endpoints,
      stampReflectors: endpoints,
      stampAuthenticated: true,
    },
    egress: { nodesPullDirectly: false },
    network: { resolvers: [ipv4], timeServers: [ipv4] },
    catalogue: { extra: ["registry.yaml"] },
  };
  writeFileSync(deploymentFileIn(folder), stringify(deployment, { aliasDuplicateObjects: false }));
  copyFileSync(join(import.meta.dirname, "../registry.yaml"), join(folder, "registry.yaml"));
  mkdirSync(join(folder, "store"));
  const files = ["--data-dir", join(folder, "store"), "--deployment", deploymentFileIn(folder)];
  const listen = ["--listen", `${collector.management}:9470`, "--http-listen", `${collector.management}:9471`];
  await spawnReady(
    collector,
    "collector",
    [...COLLECTOR_NODE.flags, PROGRAMS.collector, ...files, ...listen, "--allow-plaintext"],
    "the collector serves",
    COLLECTOR_NODE.environment,
  );
}

/** Starts the reflector with its witness beside Omni. */
export async function startReflector({ omni }: FleetNet, key: string, collector: string): Promise<void> {
  const share = ["--share", String(PORTS.siderolink), "--witness", String(PORTS.siderolink)];
  const rules = await omni.run(process.execPath, [PROGRAMS.reflector, ...share, "--print-rules"]);
  await omni.nft(rules);
  const listen = ["--listen", `[::]:${PORTS.reflector}`, "--key-file", key];
  const witness = ["--witness", String(PORTS.siderolink), "--collector", collector, "--allow-plaintext"];
  await spawnReady(omni, "reflector", [PROGRAMS.reflector, ...listen, ...witness], "reflecting");
}

/** The environment of an agent. */
export function agentEnvironment(folder: string, key: string): Record<string, string> {
  return {
    LIFELINE_ALLOW_PLAINTEXT: "true",
    LIFELINE_ROLES: "talos-node",
    LIFELINE_STAMP_KEY_FILE: key,
    NODE_EXTRA_CA_CERTS: join(folder, "public-root.pem"),
  };
}

/** A proxy for everything but the tunnel. */
export function proxyEnvironment(net: FleetNet, noProxy = `${TUNNEL_PREFIX}::/64`): Record<string, string> {
  return { HTTPS_PROXY: `http://${net.omni.outer.ipv4}:${PORTS.proxy}`, NO_PROXY: `${noProxy},203.0.113.0/24` };
}

/**
 * Puts the node behind a NAT: what it sends to the SideroLink port leaves from the hop's address. The tunnel is closed
 * and opened again, because the kernel keeps the path of a known flow.
 */
export async function hide(
  { hop, tunnel }: FleetNet,
  { name, host }: { readonly name: string; readonly host: FleetNode },
): Promise<void> {
  await tunnel.leave(name);
  await hop.nft(`table inet hidden {
  chain nat {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${host.outer.ipv4} udp dport ${PORTS.siderolink} masquerade
    ip6 saddr ${host.outer.ipv6} udp dport ${PORTS.siderolink} masquerade
  }
}
`);
  await tunnel.join(name);
}

/** Starts a program and waits until it prints `said`. @throws DrillError `not-started` with the end of its output. */
export async function spawnReady(
  host: Host,
  name: string,
  args: readonly string[],
  said: string,
  env: Readonly<Record<string, string>> = {},
): Promise<HostProcess> {
  const started = host.spawn(process.execPath, args, { env, isServer: true });
  try {
    await started.hasSaid(said);
  } catch (error) {
    const output = `${started.printed().slice(-600)}${started.complained().slice(-600)}`;
    throw new DrillError("not-started", `the ${name} did not start: ${output}`, { cause: error });
  }
  return started;
}
