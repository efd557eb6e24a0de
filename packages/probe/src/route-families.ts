/**
 * Which address families this host can use, by its own tables. The host reports them, so that targets of a family that
 * it does not have are left out and do not fail for ever.
 *
 * The first of these rules that finds a family decides: a default route; an address beyond the link on an interface
 * other than SideroLink's (a site without an uplink); any address (a host with loopback alone). A SideroLink address is
 * no sign of IPv6: addresses in the tunnel are IPv6 on every node.
 */
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import type { IpFamily } from "@lifeline/measure";
import ipaddr from "ipaddr.js";
import { rowsOf, textOf } from "./proc-table.ts";
import { SIDEROLINK_INTERFACES } from "./siderolink-prefix.ts";

/** `RTF_UP` and `RTF_REJECT` (uapi/linux/route.h): a route in use, and one that rejects. */
const RTF_UP = 0x0001;
const RTF_REJECT = 0x0200;

/** The kernel's tables, as text, and the interfaces. */
export interface RouteFacts {
  /** /proc/net/route; empty when there is none. */
  readonly route4: string;
  /** /proc/net/ipv6_route; empty when there is none. */
  readonly route6: string;
  readonly interfaces: Readonly<
    Record<string, readonly Pick<NetworkInterfaceInfo, "address" | "family">[] | undefined>
  >;
}

/** Where the tables are (proc(5)). */
export interface RoutePaths {
  readonly route4: string;
  readonly route6: string;
}

/** The tables of the running host. */
export const ROUTE_PATHS: RoutePaths = { route4: "/proc/net/route", route6: "/proc/net/ipv6_route" };

/**
 * The families this host has a usable route for, in ascending order. Never throws: a table that cannot be read is
 * empty.
 */
export function routeFamilies(paths: RoutePaths = ROUTE_PATHS): readonly IpFamily[] {
  return usableFamilies({
    route4: textOf(paths.route4),
    route6: textOf(paths.route6),
    interfaces: networkInterfaces(),
  });
}

/** The rule of {@link routeFamilies} on given facts. */
export function usableFamilies({ route4, route6, interfaces }: RouteFacts): readonly IpFamily[] {
  const addresses = Object.entries(interfaces).flatMap(([name, list]) =>
    (list ?? []).map(({ address }) => ({ name, ...placeOf(address) })),
  );
  const isTunnel = (name: string) => SIDEROLINK_INTERFACES.includes(name);
  const rules: readonly ((family: IpFamily) => boolean)[] = [
    (family) => (family === 4 ? defaultRoutes4(route4) : defaultRoutes6(route6)).length > 0,
    (family) => addresses.some((own) => own.family === family && own.reach === "beyond" && !isTunnel(own.name)),
    (family) => addresses.some((own) => own.family === family && !isTunnel(own.name)),
  ];
  const families: readonly IpFamily[] = [4, 6];
  return rules.map((rule) => families.filter(rule)).find((found) => found.length > 0) ?? [];
}

function placeOf(address: string): { family: IpFamily; reach: "beyond" | "link" } {
  const parsed = ipaddr.parse(address);
  const isNear = ["loopback", "linkLocal", "unspecified"].includes(parsed.range());
  return { family: parsed.kind() === "ipv4" ? 4 : 6, reach: isNear ? "link" : "beyond" };
}

/** A default route that is in use. */
export interface DefaultRoute {
  /** In hexadecimal, as the table writes it: IPv4 in the host's byte order, IPv6 in the network's. */
  readonly nextHop: string;
}

/** Of /proc/net/route: Iface Destination Gateway Flags RefCnt Use Metric Mask …, in hexadecimal. */
export function defaultRoutes4(table: string): readonly DefaultRoute[] {
  return rowsOf(table).flatMap(([name, destination, nextHop = "", flags, , , , mask]) => {
    const isDefault = Number(`0x${destination}`) === 0 && Number(`0x${mask}`) === 0;
    return isDefault && isUsable(flags, name) ? [{ nextHop }] : [];
  });
}

/**
 * Of /proc/net/ipv6_route: destination, prefix length, source, length, next hop, metric, refs, use, flags, device.
 */
export function defaultRoutes6(table: string): readonly DefaultRoute[] {
  return rowsOf(table).flatMap(([destination, prefixLength, , , nextHop = "", , , , flags, name]) => {
    const isDefault = /^0{32}$/.test(destination ?? "") && prefixLength === "00";
    return isDefault && isUsable(flags, name) ? [{ nextHop }] : [];
  });
}

function isUsable(flags: string | undefined, name: string | undefined): boolean {
  const bits = Number(`0x${flags}`);
  return (bits & RTF_UP) !== 0 && (bits & RTF_REJECT) === 0 && name !== "lo";
}
