/**
 * Links between hosts: made inside their namespaces at once, so that the machine's own network never sees them.
 *
 * Segmentation offload is off on every link: a packet on it is as large as on a wire, so that "larger than N bytes"
 * means the same.
 */
import { type Clock, pause } from "@lifeline/measure";
import { LabError } from "../../lab-error.ts";
import { type InsertedWire, insertDelay } from "../../path/delay-wire.ts";
import { LINK_PREFIX_BITS, type LinkAddresses, MANAGEMENT_PREFIX_BITS } from "./address-plan.ts";
import type { Host } from "./host.ts";

/** A host's interface on the tested path. */
export const OUTER_INTERFACE = "eth0";
/** A host's interface on the management network. */
export const MANAGEMENT_INTERFACE = "mgmt";
/** The bridge of the management network, in the collector's host. */
export const MANAGEMENT_BRIDGE = "mgmt";

/** Devices as large as Ethernet's. */
const MTU_BYTES = 1_500;
const READY_WAIT_MS = 50;
const READY_WAITS_MAX = 200;

/** What every host is set to: no waiting for duplicate addresses, no router solicitations in the captures. */
const HOST_SETTINGS = {
  "net.ipv6.conf.all.accept_dad": 0,
  "net.ipv6.conf.default.accept_dad": 0,
  "net.ipv6.conf.default.router_solicitations": 0,
  "net.ipv6.conf.default.disable_ipv6": 0,
  "net.ipv6.conf.all.disable_ipv6": 0,
};

/** Settings that every host of the fleet has before its first link. */
export async function prepareHost(host: Host): Promise<void> {
  await host.sysctl(HOST_SETTINGS);
}

/**
 * Makes `hop` a router that reports every refusal: ICMP errors without rate limits
 * (Documentation/networking/ip-sysctl.rst).
 */
export async function prepareHop(hop: Host): Promise<void> {
  await hop.sysctl({
    "net.ipv4.ip_forward": 1,
    "net.ipv6.conf.all.forwarding": 1,
    "net.ipv4.icmp_ratelimit": 0,
    "net.ipv4.icmp_ratemask": 0,
    "net.ipv6.icmp.ratelimit": 0,
  });
}

/**
 * Joins `host` to the hop: `eth0` here, `to-NAME` there, both families, default routes by the hop. With `delayMs` above
 * 0 the link is a delaying wire, to be closed before the hosts.
 */
export async function joinHop(
  host: Host,
  hop: Host,
  addresses: LinkAddresses,
  delayMs: number,
): Promise<InsertedWire | undefined> {
  const wire = delayMs > 0 ? await layWire(host, hop, delayMs) : await layVeth(host, hop);
  await host.ip(...endLines(OUTER_INTERFACE, addresses.host));
  await hop.ip(...endLines(hopInterface(host.name), addresses.hop));
  await host.ip(
    `route add default via ${addresses.hop.ipv4}`,
    `route add ::/0 via ${addresses.hop.ipv6} dev ${OUTER_INTERFACE}`,
  );
  return wire;
}

/** The hop's interface towards a host; 15 characters at most (IFNAMSIZ, linux/if.h). */
export function hopInterface(hostName: string): string {
  return `to-${hostName}`.slice(0, 15);
}

/** Makes the management bridge, whose own address is the collector's. */
export async function openManagement(collector: Host, address: string): Promise<void> {
  await collector.ip(
    `link add ${MANAGEMENT_BRIDGE} type bridge`,
    `addr add ${address}/${MANAGEMENT_PREFIX_BITS} dev ${MANAGEMENT_BRIDGE}`,
    `link set ${MANAGEMENT_BRIDGE} up`,
  );
}

/** Connects `host` to the management bridge, which leads nowhere else. */
export async function joinManagement(host: Host, collector: Host, address: string): Promise<void> {
  const port = `m-${host.name}`.slice(0, 15);
  await host.ip(`link add ${MANAGEMENT_INTERFACE} type veth peer name ${port} netns ${collector.pid}`);
  await collector.ip(`link set ${port} master ${MANAGEMENT_BRIDGE}`, `link set ${port} up`);
  await host.ip(
    `addr add ${address}/${MANAGEMENT_PREFIX_BITS} dev ${MANAGEMENT_INTERFACE}`,
    `link set ${MANAGEMENT_INTERFACE} up`,
  );
}

/**
 * Resolves once IPv6 is at work on `device`, which is up to a second after both ends are up (net/core/link_watch.c): it
 * has its link-local address then, and answers its neighbours. Throws `command-failed` after 10 s.
 */
export async function ipv6Ready(clock: Clock, host: Host, device: string): Promise<void> {
  for (let waits = 0; waits < READY_WAITS_MAX; waits += 1) {
    const addresses = await host.run("cat", ["/proc/net/if_inet6"]);
    // Address, index, prefix length, scope (20: link), flags, device (net/ipv6/addrconf.c, if6_seq_show).
    const found = addresses.split("\n").map((line) => line.trim().split(/\s+/));
    if (found.some(([, , , scope, , name]) => scope === "20" && name === device)) return;
    await pause(clock, READY_WAIT_MS);
  }
  throw new LabError("command-failed", `${host.name}: no IPv6 on ${device} after 10 s`);
}

async function layVeth(host: Host, hop: Host): Promise<undefined> {
  const peer = hopInterface(host.name);
  await host.ip(
    `link add ${OUTER_INTERFACE} mtu ${MTU_BYTES} gso_max_segs 1 type veth peer name ${peer} mtu ${MTU_BYTES} netns ${hop.pid}`,
  );
  await hop.ip(`link set ${peer} gso_max_segs 1`);
}

async function layWire(host: Host, hop: Host, delayMs: number): Promise<InsertedWire> {
  const laid = await insertDelay(
    delayMs,
    { namespace: `/proc/${host.pid}/ns/net`, device: OUTER_INTERFACE },
    { namespace: `/proc/${hop.pid}/ns/net`, device: hopInterface(host.name) },
  );
  if (laid.kind === "wire") return laid;
  throw new LabError("fault-unavailable", `delay: ${laid.reason}: ${laid.detail}`);
}

function endLines(device: string, address: { readonly ipv4: string; readonly ipv6: string }): string[] {
  return [
    `addr add ${address.ipv4}/${LINK_PREFIX_BITS.ipv4} dev ${device}`,
    `addr add ${address.ipv6}/${LINK_PREFIX_BITS.ipv6} dev ${device} nodad`,
    `link set ${device} up`,
  ];
}
