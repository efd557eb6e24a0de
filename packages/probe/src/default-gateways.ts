/** The routers of this host: the next hops of its default routes, by the kernel's own tables. */
import ipaddr from "ipaddr.js";
import { textOf } from "./proc-table.ts";
import { defaultRoutes4, defaultRoutes6, ROUTE_PATHS, type RoutePaths } from "./route-families.ts";

/** Most gateways that are kept: one of each family for each of a few interfaces. */
const GATEWAYS_MAX = 8;

/**
 * The addresses of the gateways, at most {@link GATEWAYS_MAX}, each once. Link-local ones are left out, because no name
 * resolves to them. Never throws: a table that cannot be read is empty.
 */
export function defaultGateways(paths: RoutePaths = ROUTE_PATHS): readonly string[] {
  const hops = [
    ...defaultRoutes4(textOf(paths.route4)).map(({ nextHop }) => Buffer.from(nextHop, "hex").reverse()),
    ...defaultRoutes6(textOf(paths.route6)).map(({ nextHop }) => Buffer.from(nextHop, "hex")),
  ];
  const addresses = hops
    .filter((bytes) => bytes.byteLength === 4 || bytes.byteLength === 16)
    .map((bytes) => ipaddr.fromByteArray([...bytes]))
    .filter((address) => !["unspecified", "linkLocal"].includes(address.range()))
    .map((address) => address.toString());
  return [...new Set(addresses)].slice(0, GATEWAYS_MAX);
}
