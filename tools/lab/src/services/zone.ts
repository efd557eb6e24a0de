/** The names in the lab's zone, their types and addresses. Pure. */
import { isIP, isIPv4 } from "node:net";
import { LabError } from "../lab-error.ts";
import { shown } from "../listener-fault.ts";
import { sameName } from "./mode-table.ts";

/** One name of the lab. */
export interface ZoneName {
  readonly name: string;
  /** IPv4 and IPv6 literals; at most {@link ADDRESSES_MAX}. */
  readonly addresses: readonly string[];
  /** Whose name it is: `omni` is faulted as service `api`, `public` as service `public`. */
  readonly owner: "omni" | "public";
  /** Organisation (O=) of the intermediate that certifies the name; default the lab's own. */
  readonly issuer?: string;
}

/** All names. */
export interface Zone {
  find(name: string): ZoneName | undefined;
  readonly names: readonly ZoneName[];
}

/** Names of one zone. */
export const ZONE_NAMES_MAX = 256;

/** Addresses of one name: their records fit the 512 bytes of a UDP answer (RFC 1035 §4.2.1), 28 bytes an AAAA. */
export const ADDRESSES_MAX = 8;

const NAME = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i;

/** Checks the names. Throws `bad-input` naming the one that is wrong. */
export function createZone(names: readonly ZoneName[]): Zone {
  if (names.length > ZONE_NAMES_MAX) {
    throw new LabError("bad-input", `names: ${names.length} names; expected at most ${ZONE_NAMES_MAX}`);
  }
  const byName = new Map<string, ZoneName>();
  for (const entry of names) {
    const { name, addresses } = entry;
    if (!NAME.test(name)) throw new LabError("bad-input", `name: ${shown(name)} is not a DNS name`);
    if (byName.has(sameName(name))) throw new LabError("bad-input", `name: ${shown(name)} is given more than once`);
    requireAddresses(`name ${name}`, addresses);
    byName.set(sameName(name), entry);
  }
  return { names, find: (name) => byName.get(sameName(name)) };
}

/** Throws `bad-input` unless `addresses` are 1 to {@link ADDRESSES_MAX} IP literals. */
export function requireAddresses(field: string, addresses: readonly string[]): void {
  const wrong = addresses.find((address) => isIP(address) === 0);
  if (wrong !== undefined) throw new LabError("bad-input", `${field}: ${shown(wrong)} is not an IP address`);
  if (addresses.length === 0 || addresses.length > ADDRESSES_MAX) {
    throw new LabError("bad-input", `${field}: ${addresses.length} addresses; expected 1 to ${ADDRESSES_MAX}`);
  }
}

/** The addresses of one family, in order. */
export function addressesOf(addresses: readonly string[], family: 4 | 6): readonly string[] {
  return addresses.filter((address) => isIPv4(address) === (family === 4));
}
