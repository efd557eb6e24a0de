/** A name that does not exist, while its resolver answers. */
import type { Service } from "@lifeline/catalogue";
import { literalFamily, recordTypeOf, targetPlace } from "@lifeline/measure";
import { type Entry, isFailing } from "../entry.ts";
import { hasResolved } from "./missing-address.ts";

/** Where a deployment or a node names the host of a service. */
const SETTINGS: Readonly<Record<Service, string>> = {
  api: "omni.api",
  "machine-api": "omni.machineApi, or in siderolink.api of the node's kernel arguments",
  siderolink: "omni.siderolink",
  "stamp-reflector": "omni.stampReflectors",
  "in-tunnel": "omni.inTunnelAddress",
  "identity-provider": "omni.identityProvider",
  "etcd-backup": "omni.etcdBackup",
  vault: "omni.vault",
  "http-proxy": "egress.httpProxy",
  resolver: "network.resolvers",
  "time-server": "network.timeServers",
  "tunnel-link": "omni.siderolink",
};

/** From this many names that do not exist, while none does, the resolver is suspected and not the spelling. */
const NAMES_MIN = 3;

/**
 * NXDOMAIN is the fault of the name, and says where it is written. The resolver that gave it has answered. Where no
 * name exists at all, or no public one, one fault explains every row: they follow from the first. So do all rows of
 * one name.
 */
export function withMissingName(entry: Entry, entries: readonly Entry[]): Entry {
  if (!isMissing(entry)) return entry;
  const { host } = entry.target;
  const peers = isPublic(entry) ? entries.filter(isPublic) : entries;
  const missing = peers.filter((other) => isMissing(other) && !other.comparison);
  const names = [...new Set(missing.map(({ target }) => target.host))];
  if (names.length >= NAMES_MIN && !peers.some(isKnown)) return withSuspectedResolver(entry, missing, names.length);
  const known = entries.find((other) => isKnown(other) && other.target.host !== host);
  const others = known === undefined ? "" : `; other names do, such as ${known.target.host}`;
  const evidence = `${host} does not exist${others}. ${disputeOf(entry, entries)?.evidence ?? ""}${entry.evidence}`;
  const first = missing.find((other) => other.target.host === host) ?? entry;
  const followsFrom = first.target.id === entry.target.id ? undefined : first.target.id;
  const nextStep = disputeOf(entry, entries)?.nextStep ?? spellingStep(entry);
  return { ...entry, evidence, nextStep, followsFrom };
}

/** Resolvers of the node that disagree about the name: a client believes the first that answers. */
function disputeOf({ target: { host, family } }: Entry, entries: readonly Entry[]) {
  const type = recordTypeOf(family);
  const queried = entries.filter(
    ({ verdict, target: { options } }) =>
      verdict === "met" && options.probe === "dns" && options.query === host && options.type === type,
  );
  const denying = queried.find(({ own }) => own.seen?.evidence.code === "NXDOMAIN");
  const knowing = queried.find(({ own }) => own.seen?.evidence.answers !== undefined);
  if (denying === undefined || knowing === undefined) return undefined;
  const [denies, knows] = [denying, knowing].map(({ target }) => targetPlace(target));
  return {
    evidence: `The resolver ${denies} denies it, and the resolver ${knows} knows it. `,
    nextStep: `Owner of the resolver ${denies}: let it know ${host}, as ${knows} does; node owner: or name only resolvers that do.`,
  };
}

function withSuspectedResolver(entry: Entry, missing: readonly Entry[], nameCount: number): Entry {
  const { host, id } = entry.target;
  const evidence = `${host} does not exist, nor does any other of ${nameCount} ${isPublic(entry) ? "public " : ""}names. ${entry.evidence}`;
  const nextStep = isPublic(entry)
    ? "Owner of the node's resolvers: find out why they know none of these names; deployment owner: or name mirrors and servers of the site."
    : "Owner of the node's resolvers: find out why they know none of these names; deployment owner: or check their spelling.";
  const first = missing[0]?.target.id;
  return { ...entry, evidence, nextStep, followsFrom: first === id ? undefined : first };
}

/** Whether the entry's name exists: it is looked up, and an attempt got past the resolver. */
function isKnown(entry: Entry): boolean {
  // A link's host is an interface.
  const isName = entry.target.port !== 0 && literalFamily(entry.target.host) === undefined;
  return isName && hasResolved(entry);
}

/** Whether the host is one that the catalogue names or that a public one redirects to, and no setting of the site. */
export function isPublic({ requirement: { place }, target: { host }, thirdParty }: Entry): boolean {
  if (place.kind === "service") return place.defaults?.includes(host) ?? false;
  return thirdParty || (place.kind === "hosts" ? place.hosts : place.known).includes(host);
}

function isMissing(entry: Entry): boolean {
  return entry.cause === "dns-nxdomain" && isFailing(entry);
}

function spellingStep(entry: Entry): string {
  const { host } = entry.target;
  const { place } = entry.requirement;
  if (isPublic(entry)) {
    return `Owner of the node's resolvers: find out why ${host} does not exist there; deployment owner: or name a mirror or server of the site for it.`;
  }
  const setting = place.kind === "service" ? SETTINGS[place.service] : "airGapped.mirrors";
  return `Deployment owner: check the spelling of ${host} in ${setting}; owner of its zone: or create the name.`;
}
