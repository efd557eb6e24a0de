/** A name that leads to the node's own router. */
import { canonicalAddress } from "@lifeline/catalogue";
import { literalFamily } from "@lifeline/measure";
import { type Entry, isFailing } from "../entry.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { isDnsCause } from "./missing-address.ts";

/**
 * Names the router where a host name resolves to the node's default gateway and the target fails there. The router
 * answers with its own page, or not at all, because it does not lead its own public address back inside (NAT loopback).
 */
export function withHairpin(entry: Entry, _: readonly Entry[], { site }: CorrelationContext): Entry {
  const { target, own, thirdParty } = entry;
  const address = own.seen?.evidence.address;
  const isNamed = literalFamily(target.host) === undefined && target.proxy === undefined;
  if (!isFailing(entry) || isDnsCause(entry.cause) || !isNamed) return entry;
  if (address === undefined || site?.gateways.includes(canonicalAddress(address) ?? address) !== true) return entry;
  const evidence = `${entry.evidence} ${target.host} resolves to ${address}, this node's default gateway: the router answers in place of ${target.host}.`;
  const nextStep = thirdParty
    ? `Network team: the name ${target.host} leads to the router ${address}; exempt this node from its captive portal or DNS filter.`
    : `Network team: give the router ${address} NAT loopback (hairpin) for ${target.host}, or let the site's resolver answer with the address that ${target.host} has inside.`;
  return { ...entry, cause: "hairpin", evidence, nextStep };
}
