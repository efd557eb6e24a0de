/**
 * The tunnel's own interface: its counters are read, and nothing is sent.
 *
 * 1. What cannot be read is a fault of this agent (`agent-resource`). It is never reported as missing (M4).
 * 2. The interface is missing, or has no IPv6 address beyond the link, or is judged by its counters ({@link
 *    LinkWatch}).
 * 3. `evidence.code` says why there is no address: {@link IPV6_DISABLED} when the kernel's IPv6 is off, else {@link
 *    NO_ADDRESS}.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { codeOf } from "./errno.ts";
import type { LinkCounters } from "./link-watch.ts";
import { emptyTrace, outcome, type ProbeResult, resultOf } from "./probe-result.ts";
import { rowsOf, textOf } from "./proc-table.ts";
import type { ProbeProtocol } from "./protocol.ts";
import { SIDEROLINK_INTERFACES } from "./siderolink-prefix.ts";
import type { ProbeWorld } from "./world.ts";

/** `evidence.code` of a node whose kernel has IPv6 turned off, for the tunnel or for all interfaces. */
export const IPV6_DISABLED = "IPV6_DISABLED";

/** `evidence.code` of a tunnel that was given no address, though IPv6 is on. */
export const NO_ADDRESS = "NO_ADDRESS";

/** Scope of an address beyond the link, unique local ones included (proc(5), if_inet6; `RT_SCOPE_UNIVERSE`). */
const SCOPE_GLOBAL = "00";

const REASONS = { alive: "link-alive", idle: "link-idle", frozen: "link-frozen" } as const;

/** Reads the interface with an address, else any; `siderolink` before `siderolinktun`. */
export const probeLink: ProbeProtocol<"link"> = async (_target, _options, world) => {
  try {
    return readLink(world);
  } catch (error) {
    const trace = emptyTrace();
    trace.evidence.code = codeOf(error);
    return resultOf(trace, outcome("agent-resource", "plan"));
  }
};

function readLink({ clock, link, sysRoot, procRoot }: ProbeWorld): ProbeResult {
  const trace = emptyTrace();
  const present = tunnelInterfaces(sysRoot);
  const addressed = withAddress(procRoot);
  // An interface that this process's own tables have and /sys has not: /sys is that of another network namespace.
  if (addressed.some((name) => !present.includes(name))) throw Object.assign(new Error("/sys"), { code: "ENODEV" });
  const name = addressed[0] ?? present[0];
  if (name === undefined) {
    link.clear();
    const code = noAddressCode(procRoot, name);
    if (code !== undefined) trace.evidence.code = code;
    return resultOf(trace, outcome("link-absent", "plan"));
  }

  const counters = readCounters(sysRoot, name);
  const { kind, rxFrozenMs, txPacketsSince } = link.read(counters, clock.monotonicNs());
  trace.evidence.link = {
    name,
    rxBytes: counters.rxBytes,
    txBytes: counters.txBytes,
    rxFrozenMs: Math.round(rxFrozenMs),
    txPacketsSince,
    mtuBytes: readNumber(join(sysRoot, "class/net", name, "mtu")),
  };
  if (addressed.length > 0) return resultOf(trace, outcome(REASONS[kind], "plan"));
  trace.evidence.code = noAddressCode(procRoot, name) ?? NO_ADDRESS;
  return resultOf(trace, outcome("link-no-address", "plan"));
}

/** Why the tunnel's interface has no address; undefined: there is no interface, and IPv6 is on. */
export function noAddressCode(procRoot: string, name: string | undefined): string | undefined {
  if (isIpv6Disabled(procRoot, name)) return IPV6_DISABLED;
  return name === undefined ? undefined : NO_ADDRESS;
}

/** Bytes that the interface has received; undefined when its counter cannot be read. */
export function receivedBytes(sysRoot: string, name: string): number | undefined {
  try {
    return readNumber(join(sysRoot, "class/net", name, "statistics/rx_bytes"));
  } catch {
    return undefined;
  }
}

/**
 * The tunnel's interfaces on this node, `siderolink` first. `sysRoot` is where sysfs is. Throws when it cannot be read.
 */
export function tunnelInterfaces(sysRoot = "/sys"): readonly string[] {
  const names = readdirSync(join(sysRoot, "class/net"));
  return SIDEROLINK_INTERFACES.filter((name) => names.includes(name));
}

function readCounters(sysRoot: string, name: string): LinkCounters {
  const folder = join(sysRoot, "class/net", name);
  const counter = (file: string) => readNumber(join(folder, "statistics", file));
  return {
    identity: `${name} ${readNumber(join(folder, "ifindex"))}`,
    // Sent is read before received: an answer to each counted packet that has one is then counted too.
    txPackets: counter("tx_packets"),
    txBytes: counter("tx_bytes"),
    rxBytes: counter("rx_bytes"),
    // Only a TUN device has this file (Linux drivers/net/tun.c, tun_attrs), and no keepalive passes through one.
    countsKeepalives: statSync(join(folder, "tun_flags"), { throwIfNoEntry: false }) === undefined,
  };
}

/**
 * The whole number in a file. Throws ERANGE for anything else, so that a damaged file does not look like an idle
 * tunnel.
 */
function readNumber(path: string): number {
  const value = Number(readFileSync(path, "utf8").trim() || "NaN");
  if (!Number.isSafeInteger(value) || value < 0) throw Object.assign(new Error(path), { code: "ERANGE" });
  return value;
}

/** The tunnel's interfaces with an address beyond the link (proc(5), if_inet6). */
function withAddress(procRoot: string): readonly string[] {
  const rows = rowsOf(textOf(join(procRoot, "net/if_inet6")));
  return SIDEROLINK_INTERFACES.filter((name) => rows.some((row) => row[5] === name && row[3] === SCOPE_GLOBAL));
}

/**
 * Whether IPv6 is off: there is no table of its addresses, or it is off for all interfaces or this one (ip-sysctl,
 * disable_ipv6).
 */
function isIpv6Disabled(procRoot: string, name?: string): boolean {
  const settings = ["all", ...(name === undefined ? [] : [name])];
  const isOff = (of: string) => textOf(join(procRoot, "sys/net/ipv6/conf", of, "disable_ipv6")).trim() === "1";
  return statSync(join(procRoot, "net/if_inet6"), { throwIfNoEntry: false }) === undefined || settings.some(isOff);
}
