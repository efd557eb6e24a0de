/** Outages as sites have them: long ones, one after another, at the first join, and of one part of a path. */

import { pause, systemClock } from "@lifeline/measure";
import { rootsOf } from "./collector-answer.ts";
import type { Clear, FaultDrill } from "./fault-drill.ts";
import { injected, MACHINE_API, mode, path, SIDEROLINK, tunnel } from "./injection.ts";
import {
  BLOB_ADDRESS,
  BLOB_NAME,
  MACHINE_API_NAME,
  nodeFiles,
  OMNI_NAME,
  PORTS,
  PUBLIC_IPV6,
  PUBLIC_NAME,
  SECOND_PUBLIC_ADDRESS,
} from "./lab-programs.ts";
import type { LabNode, TestBed } from "./test-bed.ts";

/** How long the Machine API is blocked before the tunnel is, ms, at most: until its own verdict stands. */
const FIRST_FAULT_MAX_MS = 20_000;

/** How long the tunnel works on then, ms: long enough that the Machine API is not the cause of its outage. */
const BETWEEN_MS = 10_000;

/** How long a registry's redirect may take to become a target, ms, at most. */
const REDIRECT_MAX_MS = 60_000;

/** Round trip of a slow path, ms: longer than any loss threshold, shorter than what a client waits for. */
const SLOW_PATH_MS = 1_200;

/** The tunnel carried over the Machine API: its interface, and the kernel argument that asks for it. */
async function overGrpc({ net, restartAgent }: TestBed, node: LabNode): Promise<Clear> {
  const cmdline = nodeFiles(node.name)["/proc/cmdline"] ?? "";
  const rejoin = async (device: string | undefined, text: string) => {
    await net.tunnel.leave(node.name);
    await node.host.writeFile("/proc/cmdline", text);
    await net.tunnel.join(node.name, device);
    await restartAgent(node);
  };
  await rejoin("siderolinktun", cmdline.replace("?jointoken", "?grpc_tunnel=true&jointoken"));
  return () => rejoin(undefined, cmdline);
}

/** A node that knows the addresses of Omni's names without the resolver. */
async function resolvedBySite({ net }: TestBed, node: LabNode): Promise<Clear> {
  const { ipv4, ipv6 } = net.omni.outer;
  const own = nodeFiles(node.name)["/etc/hosts"] ?? "";
  const names = [OMNI_NAME, MACHINE_API_NAME].join(" ");
  await node.host.writeFile("/etc/hosts", `${own}${ipv4} ${names}\n${ipv6} ${names}\n`);
  return () => node.host.writeFile("/etc/hosts", own);
}

/** A NAT that has lost the one mapping of the tunnel's flow: other flows of the node to the same port pass. */
async function mappingLost({ net }: TestBed, node: LabNode): Promise<Clear> {
  const port = await net.tunnel.nodePort(node.name);
  const { ipv4 } = node.host.outer;
  await net.hop.nft(`table inet lost_mapping {
  chain path {
    type filter hook forward priority filter; policy accept;
    ip saddr ${ipv4} udp sport ${port} udp dport ${PORTS.siderolink} drop
    ip daddr ${ipv4} udp dport ${port} udp sport ${PORTS.siderolink} drop
  }
}
`);
  return () => net.hop.nft("delete table inet lost_mapping\n");
}

/** A registry that redirects to its blob host, once that host is measured. */
async function blobsElsewhere(testBed: TestBed, node: LabNode): Promise<Clear> {
  const clear = await mode("public", "moved", [PUBLIC_NAME])(testBed, node);
  await testBed.until(
    (rows) => rows.some((row) => row.node === node.name && row.target?.startsWith(BLOB_NAME) === true),
    REDIRECT_MAX_MS,
    new AbortController().signal,
  );
  return clear;
}

/** The drills. */
export const OUTAGE_DRILLS: readonly FaultDrill[] = [
  {
    name: "omni-hung",
    // The public hosts of the lab are served by the same program.
    besides: ["tls-filtered", "timeout", "dead-address"],
    what: "Omni's processes stop (SIGSTOP), and its kernel still accepts connections",
    among: "alone",
    expected: { cause: "server-unresponsive", requirement: "machine-api" },
    hard: true,
    async inject(testBed) {
      testBed.signalOmni("SIGSTOP");
      return async () => testBed.signalOmni("SIGCONT");
    },
  },
  {
    name: "siderolink-forward-unwitnessed",
    what: "a firewall drops UDP to the SideroLink port, and a NAT hides the node from the witness",
    only: "hidden",
    expected: { cause: "forward-path-blocked", requirement: "siderolink-endpoint" },
    // UDP is suspected within 5 s. The direction takes packets of Omni's own, which it sends every two seconds.
    hard: false,
    inject: path({ kind: "drop", traffic: SIDEROLINK, direction: "forward" }),
  },
  {
    name: "siderolink-return-unwitnessed",
    what: "a firewall drops the SideroLink port's answers, and a NAT hides the node from the witness",
    only: "hidden",
    expected: { cause: "udp-blocked", requirement: "siderolink-endpoint" },
    // The reflector counts what it received. Its count reveals the direction once its answers pass again.
    besides: ["return-path-blocked"],
    hard: true,
    inject: path({ kind: "drop", traffic: SIDEROLINK, direction: "return" }),
  },
  {
    name: "siderolink-mapping-lost",
    what: "a NAT drops the tunnel's flow, and passes other flows of the node to the same port",
    only: "hidden",
    expected: { cause: "tunnel-stale", requirement: "siderolink-endpoint" },
    hard: true,
    inject: mappingLost,
  },
  {
    name: "siderolink-outage",
    what: "UDP to the SideroLink port is dropped both ways for half a minute",
    standMs: 30_000,
    expected: { cause: "forward-path-blocked", requirement: "siderolink-endpoint" },
    hard: true,
    inject: path({ kind: "drop", traffic: SIDEROLINK }),
  },
  {
    name: "siderolink-after-machine-api",
    what: "the Machine API is blocked; the tunnel is blocked later",
    expected: { cause: "forward-path-blocked", requirement: "siderolink-endpoint" },
    // The Machine API's own fault.
    besides: ["timeout"],
    hard: false,
    async inject(testBed, node) {
      const first = await path({ kind: "drop", traffic: MACHINE_API })(testBed, node);
      const { signal } = new AbortController();
      await testBed.until(
        (rows) => rootsOf(rows, node.name).some(({ requirement }) => requirement === "machine-api"),
        FIRST_FAULT_MAX_MS,
        signal,
      );
      await pause(systemClock, BETWEEN_MS);
      const second = await path({ kind: "drop", traffic: SIDEROLINK })(testBed, node);
      return async () => {
        await second();
        await first();
      };
    },
  },
  {
    name: "grpc-tunnel-stalled",
    what: "the tunnel is carried over the Machine API, and its stream stalls",
    prepare: overGrpc,
    expected: { cause: "grpc-tunnel-stalled", requirement: "machine-api", probe: "grpc" },
    hard: true,
    inject: path({ kind: "drop", traffic: SIDEROLINK }),
  },
  {
    name: "first-join",
    what: "an agent starts on a node that joins later",
    expected: { cause: "not-joined", requirement: "siderolink-interface" },
    hard: false,
    standMs: 15_000,
    async inject(testBed, node) {
      await testBed.stopAgent(node);
      const clear = await tunnel("not-joined")(testBed, node);
      await testBed.restartAgent(node);
      return clear;
    },
  },
  {
    name: "slow-path",
    what: "the path has a round trip of 1.2 s, and loses nothing",
    // Its resolver is on the site, so names are as near as ever.
    prepare: resolvedBySite,
    // The resolver is asked by the slow path too, and large packets have a threshold of their own.
    besides: ["dns-timeout", "timeout"],
    expected: { cause: "latency", requirement: "api-endpoint", probe: "tcp" },
    hard: false,
    inject: (testBed, node) => injected(testBed.net.delay(node.name, SLOW_PATH_MS / 2)),
  },
  {
    name: "second-address-dead",
    what: "one of a public host's two IPv4 addresses is dropped",
    expected: { cause: "dead-address", requirement: "public-registry" },
    hard: false,
    inject: path({ kind: "drop", traffic: { protocol: "tcp", host: SECOND_PUBLIC_ADDRESS } }),
  },
  {
    name: "blob-host-blocked",
    what: "a registry redirects to a blob host, which a firewall drops",
    prepare: blobsElsewhere,
    expected: { cause: "timeout", requirement: "public-registry", probe: "tcp" },
    hard: true,
    inject: path({ kind: "drop", traffic: { protocol: "tcp", host: BLOB_ADDRESS } }),
  },
  {
    name: "time-blocked",
    what: "NTP is dropped",
    expected: { cause: "timeout", requirement: "node-time" },
    // A time server is asked once in 16 s.
    hard: false,
    inject: path({ kind: "drop", traffic: { protocol: "udp", port: PORTS.time } }),
  },
  {
    name: "ipv6-broken",
    what: "everything over IPv6 is dropped",
    expected: { cause: "ipv6-unreachable", requirement: "siderolink-endpoint" },
    hard: true,
    async inject(testBed, node) {
      const hosts = [testBed.net.omni.outer.ipv6, PUBLIC_IPV6];
      const clears = await Promise.all(hosts.map((host) => path({ kind: "drop", traffic: { host } })(testBed, node)));
      return async () => void (await Promise.all(clears.map((clear) => clear())));
    },
  },
];
