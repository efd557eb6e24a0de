/**
 * Names to addresses, as a node resolves them: by the hosts file, then by the resolvers, with a cache that honours
 * TTLs.
 *
 * 1. A lookup is one query for one family, sent once to each configured resolver until one answers (M1: `tries` is 1).
 *    A name that does not exist is completed by the search list of resolv.conf, as on the node: each completed name is
 *    one more query.
 * 2. Lookups of the same name and family at the same time share one query. Only the caller that sent it has `queried`.
 * 3. Addresses come in the order of their bytes, whatever the order of the answer. All are kept as evidence.
 * 4. Cache, queries in flight and answers are bounded (S2). A full cache evicts the oldest entry. A lookup beyond the
 *    most queries in flight is `agent-overload`.
 * 5. A timeout in which this process stalled is `stalled`, and not cached: it shows nothing of the resolver (M3).
 * 6. Never rejects. `localhost` and names under it never leave the host (RFC 6761 §6.3).
 */
import { Resolver } from "node:dns/promises";
import { type Clock, type IpFamily, literalFamily, NS_PER_MS, type Reason } from "@lifeline/measure";
import { sortedAddresses } from "./address.ts";
import type { NoteStep } from "./attempt-steps.ts";
import { watchStalls } from "./deadline.ts";
import { codeOf } from "./errno.ts";
import { HOSTS_PATH, openHostsFile, readBounded, versionOf } from "./hosts-file.ts";
import { queriedNames, searchListOf } from "./resolv-conf.ts";
import { reasonOfResolverCode } from "./resolver-code.ts";

/** Most names and families that are cached: a node has tens of targets. */
export const CACHE_MAX_ENTRIES = 1_024;

/** Most queries in flight. */
const QUERIES_MAX = 64;

/** Most answers of one query: what evidence holds. */
export const ANSWERS_MAX = 16;

/** Longest time that an answer is cached, whatever its TTL: 60 s, so that a moved endpoint is found within a minute. */
const TTL_MAX_MS = 60_000;

/**
 * Shortest: 1 s, the fastest ordinary cadence, so that two targets of one round do not query twice at a TTL of zero.
 */
const TTL_MIN_MS = 1_000;

/** How long a failure is cached: 1 s, so that the next attempt finds a name that was fixed. */
const FAILURE_TTL_MS = 1_000;

/**
 * How long one resolver has, ms, before the next is queried: twice the round trip of a satellite (600 ms), and with the
 * time for which a failure is cached less than `sharedQueryMs` of the judge. resolv.conf(5) has 5 s; the thresholds of
 * targets are shorter.
 */
const RESOLVER_TIMEOUT_MS = 1_300;

/** Where resolvers and search list are on Linux (resolv.conf(5)). */
export const RESOLV_CONF_PATH = "/etc/resolv.conf";

/**
 * Failures after which the next completed name is queried, the most telling last. After others, such as silence, the
 * next name would go to the same resolvers. glibc does the same (res_search).
 */
const NAME_FAILURES: readonly Reason[] = ["dns-nxdomain", "dns-servfail", "dns-nodata"];

/** The result of resolving. `queried`: this call sent the query, so its duration is that of the resolver. */
export type NameAnswer =
  | {
      readonly kind: "addresses";
      /** Sorted; at most {@link ANSWERS_MAX}. */
      readonly addresses: readonly [string, ...string[]];
      /** How many there were. */
      readonly count: number;
      readonly queried: boolean;
    }
  | { readonly kind: "failed"; readonly reason: Reason; readonly code: string; readonly queried: boolean };

/** Resolves names; see the invariants above. */
export interface NameResolver {
  /**
   * Addresses of `family` for a name or literal. A literal of the other family has none: `dns-nodata`. `noteStep` takes
   * each name and its answer. Never rejects.
   */
  resolve(name: string, family: IpFamily, noteStep?: NoteStep): Promise<NameAnswer>;
  /** The first name that is queried for `name`: completed by a search domain, or `name` without its final dot. */
  firstQueried(name: string): string;
}

/** What a {@link NameResolver} is made from. */
export interface NameResolverOptions {
  readonly clock: Clock;
  /**
   * `address:port` of each resolver, IPv6 in brackets. Default: those of /etc/resolv.conf, which is read again when it
   * changes.
   */
  readonly resolvers?: readonly string[];
  /** Path of the hosts file; default /etc/hosts. */
  readonly hostsFile?: string;
  /** Path of the resolv.conf with the search list; default /etc/resolv.conf. */
  readonly resolvConf?: string;
}

interface Cached {
  readonly answer: NameAnswer;
  readonly untilNs: number;
}

/** Creates a resolver. Throws when `resolvers` holds something other than addresses. */
export function createNameResolver(options: NameResolverOptions): NameResolver {
  const { clock, resolvers, hostsFile = HOSTS_PATH, resolvConf = RESOLV_CONF_PATH } = options;
  const hosts = openHostsFile(hostsFile);
  const searchList = openSearchList(resolvConf);
  const { send, servers } = createSender(clock, resolvers);
  const cache = new Map<string, Cached>();
  const inFlight = new Map<string, Promise<NameAnswer>>();

  const remember = (key: string, { answer, ttlMs }: Resolution) => {
    cache.delete(key);
    if (ttlMs === 0) return;
    const oldest = cache.keys().next();
    if (cache.size >= CACHE_MAX_ENTRIES && !oldest.done) cache.delete(oldest.value);
    cache.set(key, { answer: { ...answer, queried: false }, untilNs: clock.monotonicNs() + ttlMs * NS_PER_MS });
  };

  const query = async (key: string, name: string, family: IpFamily): Promise<NameAnswer> => {
    if (inFlight.size >= QUERIES_MAX)
      return { kind: "failed", reason: "agent-overload", code: "QUERIES_MAX", queried: false };
    const querying = send(name, family).then((resolution) => {
      inFlight.delete(key);
      remember(key, resolution);
      return resolution.answer;
    });
    inFlight.set(key, querying);
    return querying;
  };

  const lookUp = async (name: string, family: IpFamily): Promise<NameAnswer> => {
    const key = `${family} ${name}`;
    const cached = cache.get(key);
    if (cached !== undefined && clock.monotonicNs() < cached.untilNs) return cached.answer;
    const shared = inFlight.get(key);
    if (shared !== undefined) return { ...(await shared), queried: false };
    return query(key, name, family);
  };

  const namesFor = (name: string) => queriedNames(name.toLowerCase(), searchList());

  return {
    async resolve(name, family, noteStep) {
      const known = withoutQuery(name, family, hosts.lookup);
      if (known !== undefined) {
        if (literalFamily(name) !== family) noteStep?.("dns", `${name}, without a query: ${answerText(known)}`);
        return known;
      }
      let answer: NameAnswer | undefined;
      for (const queriedName of namesFor(name)) {
        const next = await lookUp(queriedName, family);
        noteStep?.("dns", `${queryText(queriedName, family, servers(), next)}: ${answerText(next)}`);
        answer = moreTelling(answer, next);
        if (answer.kind === "addresses" || !NAME_FAILURES.includes(answer.reason)) return answer;
      }
      return answer ?? noData("ENODATA");
    },
    firstQueried: (name) => namesFor(name)[0],
  };
}

/** c-ares does not say which of several resolvers answered. */
function queryText(name: string, family: IpFamily, servers: readonly string[], { queried }: NameAnswer): string {
  const asked = servers.length > 1 ? `one of ${servers.join(", ")}` : (servers[0] ?? "no resolver");
  return `${family === 4 ? "A" : "AAAA"} ${name} ${queried ? `at ${asked}` : "from the cache"}`;
}

function answerText(answer: NameAnswer): string {
  return answer.kind === "failed" ? `${answer.reason} (${answer.code})` : answer.addresses.join(", ");
}

/** The answer for a name of which two completed names were looked up, one after the other. */
function moreTelling(before: NameAnswer | undefined, next: NameAnswer): NameAnswer {
  if (before === undefined) return next;
  const queried = before.queried || next.queried;
  const isLess =
    before.kind === "failed" &&
    next.kind === "failed" &&
    NAME_FAILURES.includes(next.reason) &&
    NAME_FAILURES.indexOf(next.reason) < NAME_FAILURES.indexOf(before.reason);
  return { ...(isLess ? before : next), queried };
}

/** The search list in the file at `path`, read again when it changes. */
function openSearchList(path: string) {
  let version = "";
  let list = searchListOf("");
  return () => {
    const found = versionOf(path);
    if (found !== version) {
      version = found;
      list = searchListOf(readBounded(path));
    }
    return list;
  };
}

function canonical(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/**
 * Literals, `localhost` and the hosts file, which need no query. A name that the file has in either family is not
 * queried. Go's resolver, which Talos's own services use, does the same (golang/go src/net/hosts.go, lookupStaticHost).
 */
function withoutQuery(
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

function found(addresses: readonly string[], queried = false): NameAnswer {
  const sorted = sortedAddresses(addresses);
  const [first, ...rest] = sorted.slice(0, ANSWERS_MAX);
  if (first === undefined) return noData("ENODATA", queried);
  return { kind: "addresses", addresses: [first, ...rest], count: sorted.length, queried };
}

function noData(code: string, queried = false): NameAnswer {
  return { kind: "failed", reason: "dns-nodata", code, queried };
}

/** An answer from a resolver and how long it may be cached; 0: not at all. */
interface Resolution {
  readonly answer: NameAnswer;
  readonly ttlMs: number;
}

type Send = (name: string, family: IpFamily) => Promise<Resolution>;

/**
 * Queries by c-ares. Without given resolvers, a new channel is opened when resolv.conf changes: a DHCP lease can bring
 * new ones.
 */
function createSender(
  clock: Clock,
  resolvers: readonly string[] | undefined,
): { readonly send: Send; readonly servers: () => readonly string[] } {
  const open = () => {
    const channel = new Resolver({ timeout: RESOLVER_TIMEOUT_MS, tries: 1 });
    if (resolvers !== undefined) channel.setServers(resolvers);
    return channel;
  };
  let channel = open();
  let version = versionOf(RESOLV_CONF_PATH);
  const send: Send = async (name, family) => {
    const found = resolvers === undefined ? versionOf(RESOLV_CONF_PATH) : version;
    if (found !== version) {
      version = found;
      channel = open();
    }
    const watch = watchStalls(clock);
    try {
      return excuseStall(await queryChannel(channel, name, family), watch.stalled());
    } finally {
      watch.stop();
    }
  };
  return { send, servers: () => channel.getServers() };
}

/**
 * c-ares runs its timers before it reads its sockets. After a stall of this process it therefore gives up on a resolver
 * whose answer has arrived. It does not say which resolver was queried when, so any stall during the query turns a
 * timeout into `stalled`.
 */
function excuseStall(resolution: Resolution, stalled: boolean): Resolution {
  const { answer } = resolution;
  if (!stalled || answer.kind !== "failed" || answer.reason !== "dns-timeout") return resolution;
  return { answer: { ...answer, reason: "stalled" }, ttlMs: 0 };
}

async function queryChannel(channel: Resolver, name: string, family: IpFamily): Promise<Resolution> {
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
    return {
      answer: { kind: "failed", reason: reasonOfResolverCode(code), code, queried: true },
      ttlMs: FAILURE_TTL_MS,
    };
  }
}
