/**
 * Names to addresses, as a node does it: the hosts file, then the resolvers, remembered for as long as they allow.
 *
 * 1. A lookup is one question of one family, asked once of each configured resolver (M1: `tries` is 1, no search domains).
 * 2. Lookups of the same name and family at the same time are one question; only the caller that asked is told so.
 * 3. The address used is the lowest in byte order, so a stable set gives a stable path; all answers are kept as evidence.
 * 4. Cache, lookups in flight and answers are bounded; what overflows is counted (S2).
 * 5. A timeout in which this process stalled is `stalled`, and not remembered: it says nothing of the resolver (M3).
 * 6. Never rejects. `localhost` and names under it never leave the host (RFC 6761 §6.3).
 */
import { Resolver } from "node:dns/promises";
import { type Clock, type IpFamily, literalFamily, NS_PER_MS, type Reason } from "@lifeline/measure";
import { sortedAddresses } from "./address.ts";
import { watchStalls } from "./deadline.ts";
import { codeOf } from "./errno.ts";
import { HOSTS_PATH, openHostsFile, versionOf } from "./hosts-file.ts";
import { reasonOfResolverCode } from "./resolver-code.ts";

/** Names and families remembered: a node has tens of targets. */
export const CACHE_MAX_ENTRIES = 1_024;

/** Questions in flight. */
export const LOOKUPS_MAX = 64;

/** Answers kept of one question: what evidence holds. */
export const ANSWERS_MAX = 16;

/** Longest a good answer is remembered, whatever its TTL: 60 s, so a moved endpoint is found within a minute. */
export const TTL_MAX_MS = 60_000;

/** Shortest: 1 s, the fastest ordinary cadence, so a TTL of zero does not make two questions of one tick. */
export const TTL_MIN_MS = 1_000;

/** How long a failure is remembered: 1 s, so a name that is fixed is seen at the next attempt. */
export const FAILURE_TTL_MS = 1_000;

/** How long one resolver is given, in ms, before the next is asked: resolv.conf(5) has 5 s; targets are judged in less. */
const RESOLVER_TIMEOUT_MS = 1_000;

const RESOLV_CONF_PATH = "/etc/resolv.conf";

/** The result of resolving; `asked`: this very call put the question to a resolver, so its duration is a resolver's. */
export type NameAnswer =
  | { readonly kind: "addresses"; readonly addresses: readonly [string, ...string[]]; readonly asked: boolean }
  | { readonly kind: "failed"; readonly reason: Reason; readonly code: string; readonly asked: boolean };

/** What overflowed since the start. */
export interface NameResolverStats {
  readonly cacheEvictions: number;
  readonly refusedLookups: number;
  readonly droppedHostsNames: number;
}

/** Resolves names; see the invariants above. */
export interface NameResolver {
  /** Addresses of `family` for a name or literal. A literal of the other family has none: `dns-nodata`. Never rejects. */
  resolve(name: string, family: IpFamily): Promise<NameAnswer>;
  stats(): NameResolverStats;
}

/** What a {@link NameResolver} is made from. */
export interface NameResolverOptions {
  readonly clock: Clock;
  /** `address:port` of each resolver, IPv6 in brackets. Default: those of /etc/resolv.conf, followed when it changes. */
  readonly resolvers?: readonly string[];
  /** Path of the hosts file; default /etc/hosts. */
  readonly hostsFile?: string;
}

interface Remembered {
  readonly answer: NameAnswer;
  readonly untilNs: number;
}

/** Creates a resolver. Throws when `resolvers` holds what is no address. */
export function createNameResolver({ clock, resolvers, hostsFile = HOSTS_PATH }: NameResolverOptions): NameResolver {
  const hosts = openHostsFile(hostsFile);
  const question = createQuestion(clock, resolvers);
  const cache = new Map<string, Remembered>();
  const inFlight = new Map<string, Promise<NameAnswer>>();
  let cacheEvictions = 0;
  let refusedLookups = 0;

  const remember = (key: string, { answer, ttlMs }: Asked) => {
    cache.delete(key);
    if (ttlMs === 0) return;
    const oldest = cache.keys().next();
    if (cache.size >= CACHE_MAX_ENTRIES && !oldest.done) {
      cache.delete(oldest.value);
      cacheEvictions += 1;
    }
    cache.set(key, { answer: { ...answer, asked: false }, untilNs: clock.monotonicNs() + ttlMs * NS_PER_MS });
  };

  const ask = async (key: string, name: string, family: IpFamily): Promise<NameAnswer> => {
    if (inFlight.size >= LOOKUPS_MAX) {
      refusedLookups += 1;
      return { kind: "failed", reason: "agent-overload", code: "LOOKUPS_MAX", asked: false };
    }
    const asking = question(name, family).then((asked) => {
      inFlight.delete(key);
      remember(key, asked);
      return asked.answer;
    });
    inFlight.set(key, asking);
    return asking;
  };

  return {
    async resolve(name, family) {
      const known = withoutAsking(name, family, hosts.lookup);
      if (known !== undefined) return known;
      const key = `${family} ${canonical(name)}`;
      const cached = cache.get(key);
      if (cached !== undefined && clock.monotonicNs() < cached.untilNs) return cached.answer;
      const shared = inFlight.get(key);
      if (shared !== undefined) return { ...(await shared), asked: false };
      return ask(key, canonical(name), family);
    },
    stats: () => ({ cacheEvictions, refusedLookups, droppedHostsNames: hosts.droppedNames() }),
  };
}

function canonical(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/**
 * Literals, `localhost` and the hosts file: what needs no question. A name that the file has is not asked for, whichever family it
 * has there: so does Go's resolver, which Talos's own services use (golang/go src/net/hosts.go, lookupStaticHost).
 */
function withoutAsking(
  name: string,
  family: IpFamily,
  inHosts: (name: string, family: IpFamily) => readonly string[] | undefined,
): NameAnswer | undefined {
  const literal = literalFamily(name);
  if (literal !== undefined) return literal === family ? found([name]) : noData("literal of the other family");
  const plain = canonical(name);
  if (plain === "localhost" || plain.endsWith(".localhost")) return found([family === 4 ? "127.0.0.1" : "::1"]);
  const addresses = inHosts(plain, family);
  return addresses && found(addresses);
}

function found(addresses: readonly string[], asked = false): NameAnswer {
  const [first, ...rest] = sortedAddresses(addresses).slice(0, ANSWERS_MAX);
  return first === undefined ? noData("ENODATA", asked) : { kind: "addresses", addresses: [first, ...rest], asked };
}

function noData(code: string, asked = false): NameAnswer {
  return { kind: "failed", reason: "dns-nodata", code, asked };
}

/** An answer from a resolver and how long it may be remembered; 0: not at all. */
interface Asked {
  readonly answer: NameAnswer;
  readonly ttlMs: number;
}

type Question = (name: string, family: IpFamily) => Promise<Asked>;

/** Asks c-ares. Without given resolvers, the channel is opened anew when resolv.conf changed: a lease can bring new ones. */
function createQuestion(clock: Clock, resolvers: readonly string[] | undefined): Question {
  const open = () => {
    const channel = new Resolver({ timeout: RESOLVER_TIMEOUT_MS, tries: 1 });
    if (resolvers !== undefined) channel.setServers(resolvers);
    return channel;
  };
  let channel = open();
  let version = versionOf(RESOLV_CONF_PATH);
  return async (name, family) => {
    const found = resolvers === undefined ? versionOf(RESOLV_CONF_PATH) : version;
    if (found !== version) {
      version = found;
      channel = open();
    }
    const watch = watchStalls(clock);
    try {
      return fairly(await askChannel(channel, name, family), watch.stalled());
    } finally {
      watch.stop();
    }
  };
}

/**
 * c-ares runs its timers before it reads its sockets, so after a stall of this process it gives up on a resolver whose answer
 * has arrived. Which resolver was asked when is not told: any stall while the question was open takes a timeout back.
 */
function fairly(asked: Asked, stalled: boolean): Asked {
  const { answer } = asked;
  if (!stalled || answer.kind !== "failed" || answer.reason !== "dns-timeout") return asked;
  return { answer: { ...answer, reason: "stalled" }, ttlMs: 0 };
}

async function askChannel(channel: Resolver, name: string, family: IpFamily): Promise<Asked> {
  try {
    const ttl = { ttl: true } as const;
    const records = family === 4 ? await channel.resolve4(name, ttl) : await channel.resolve6(name, ttl);
    const addresses = records.map(({ address }) => address);
    const ttlMs = Math.min(...records.map((record) => record.ttl * 1_000));
    return {
      answer: found(addresses, true),
      ttlMs: records.length === 0 ? FAILURE_TTL_MS : Math.min(TTL_MAX_MS, Math.max(TTL_MIN_MS, ttlMs)),
    };
  } catch (error) {
    const code = codeOf(error);
    return { answer: { kind: "failed", reason: reasonOfResolverCode(code), code, asked: true }, ttlMs: FAILURE_TTL_MS };
  }
}
