/**
 * One IP version that does not work from the node as a whole, while the other does.
 *
 * 1. Every row of that version that leaves by the default route fails, at two hosts at least. None has answered since.
 * 2. The other version reaches those hosts. A host that fails over both keeps its own cause.
 * 3. All of them follow from one root, whose advice names the version and no single host.
 * 4. Rows recover one after another, each with its next attempt. Those that have not yet, keep the cause.
 */
import { type Cause, type IpFamily, type Reason, type Target, targetPlace } from "@lifeline/measure";
import { type Entry, hasAnsweredSince, isAnswering, isAt } from "../entry.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { IN_FLIGHT_MS } from "./dead-tunnel.ts";
import { LAYER } from "./machine-api-state.ts";

/** The cause, by IP version. */
const CAUSE: Readonly<Record<IpFamily, Cause>> = { 4: "ipv4-unreachable", 6: "ipv6-unreachable" };

/**
 * Reasons of a path that carries nothing. A refusal is none: a server may listen on the other version alone. What is
 * seen after a connection was made (a certificate, a status) shows that packets pass.
 */
const PATH_REASONS: readonly Reason[] = ["timeout", "host-unreachable", "network-unreachable", "admin-prohibited"];

/** Least hosts that must fail, at as many addresses: one host, or two names of one, may itself be at fault. */
const HOSTS_MIN = 2;

/** Most hosts that the evidence names. */
const NAMED_MAX = 8;

/** Whether the cause is that an IP version does not work. */
export function isFamilyCause(cause: Cause): boolean {
  return cause === CAUSE[4] || cause === CAUSE[6];
}

/** Names the IP version where all of it fails. */
export function withFamilyPath(entry: Entry, entries: readonly Entry[], context: CorrelationContext): Entry {
  const { family } = entry.target;
  if (!isPathFailure(entry)) return entry;
  const members = entries.filter((other) => other.target.family === family && isPathFailure(other));
  const broken = brokenHosts(members, entries);
  const affected = members.filter(
    (other) => (broken.length > 0 && !failsOverBoth(other, entries)) || wasAffected(other, context),
  );
  if (!affected.includes(entry)) return entry;
  const [root] = affected.toSorted((a, b) => LAYER[a.target.options.probe] - LAYER[b.target.options.probe]);
  const cause = CAUSE[family];
  if (root === undefined || root === entry) {
    return { ...entry, cause, evidence: `${familyPhrase(family, broken)}${entry.evidence}`, nextStep: stepOf(entry) };
  }
  const name = `${root.target.options.probe} to ${targetPlace(root.target)} (${root.requirement.id})`;
  const evidence = `${entry.evidence} It follows from IPv${family} as a whole, which fails from this node: see ${name}.`;
  return {
    ...entry,
    cause,
    evidence,
    nextStep: `First fix IPv${family}. ${stepOf(root)}`,
    followsFrom: root.target.id,
  };
}

/** Whether nothing comes back from the entry's host, by a path that the default route decides. */
function isPathFailure(entry: Entry): boolean {
  const { own, verdict, comparison } = entry;
  if (comparison || !isOutside(entry)) return false;
  return verdict === "unmet" && own.basis === "failed" && PATH_REASONS.includes(own.reason);
}

function isOutside(entry: Entry): boolean {
  return !isAt(entry, "in-tunnel") && !isAt(entry, "tunnel-link");
}

/** The hosts of an IP version that is broken as a whole; none: it is not, or that is not shown. */
function brokenHosts(members: readonly Entry[], entries: readonly Entry[]): readonly string[] {
  const hosts = [...new Set(members.map(({ target }) => dialledHost(target)))];
  const places = new Set(members.map(({ target, own }) => own.seen?.evidence.address ?? dialledHost(target)));
  if (hosts.length < HOSTS_MIN || places.size < HOSTS_MIN) return [];
  const [first] = members;
  const onsetMs = Math.max(...members.map((member) => member.onsetMs));
  const isRefuted = entries.some(
    (other) => other.target.family === first?.target.family && !members.includes(other) && refutes(other, onsetMs),
  );
  const reached = hosts.filter((host) =>
    entries.some((other) => isOtherWay(other, host, members) && isAnswering(other)),
  );
  return isRefuted || reached.length < HOSTS_MIN ? [] : hosts;
}

/** Whether something of the same version has answered since. A resolver on the node's own network proves no route. */
function refutes(other: Entry, onsetMs: number): boolean {
  if (!isOutside(other) || other.comparison || !isAnswering(other)) return false;
  return hasAnsweredSince(other, onsetMs + IN_FLIGHT_MS) && !isOnLink(other);
}

/** Whether a resolver is in the subnet of the node's address: a /64, or a /24 as the commonest size of IPv4. */
function isOnLink({ target, own: { seen } }: Entry): boolean {
  const { address, localAddress } = seen?.evidence ?? {};
  if (target.options.probe !== "dns" || address === undefined || localAddress === undefined) return false;
  return subnetOf(address, target.family) === subnetOf(localAddress, target.family);
}

function subnetOf(address: string, family: IpFamily): string {
  if (family === 4) return address.split(".").slice(0, 3).join(".");
  return groupsOf(address.split("%", 1)[0] ?? "")
    .slice(0, 4)
    .join(":");
}

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): string[] {
  const [head = "", tail = ""] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === "" ? [] : tail.split(":");
  const zeros = address.includes("::") ? Array.from({ length: 8 - left.length - right.length }, () => "0") : [];
  return [...left, ...zeros, ...right].map((group) => group.toLowerCase().replace(/^0+(?=.)/, ""));
}

function isOtherWay(other: Entry, host: string, members: readonly Entry[]): boolean {
  const family = members[0]?.target.family;
  return !other.comparison && other.target.family !== family && dialledHost(other.target) === host;
}

/** Whether the entry's host fails over the other version too, so that it is itself at fault. */
function failsOverBoth(entry: Entry, entries: readonly Entry[]): boolean {
  const others = entries.filter((other) => isOtherWay(other, dialledHost(entry.target), [entry]));
  return others.some(({ verdict }) => verdict === "unmet") && !others.some(isAnswering);
}

/** Whether the previous judgement gave this failure that cause. */
function wasAffected({ target, onsetMs }: Entry, { previous }: CorrelationContext): boolean {
  const was = previous?.get(target.id);
  return was?.cause === CAUSE[target.family] && was.onsetMs === onsetMs;
}

function dialledHost({ host, proxy }: Target): string {
  return proxy?.host ?? host;
}

function familyPhrase(family: IpFamily, hosts: readonly string[]): string {
  if (hosts.length === 0) return `It began when IPv${family} as a whole failed from this node. `;
  const named = hosts.slice(0, NAMED_MAX).join(", ");
  const more = hosts.length > NAMED_MAX ? ` and ${hosts.length - NAMED_MAX} more` : "";
  return `IPv${family} from this node reaches none of ${hosts.length} hosts (${named}${more}), and IPv${family === 4 ? 6 : 4} reaches them. `;
}

function stepOf({ target: { family }, own: { reason } }: Entry): string {
  const route = reason === "network-unreachable" ? `Node owner: give this node an IPv${family} route. ` : "";
  const fix = `Network team: fix IPv${family} routing, or the firewall for IPv${family}, for this node.`;
  return family === 6 ? `${route}${fix} Node owner: or disable IPv6 on this node.` : `${route}${fix}`;
}
