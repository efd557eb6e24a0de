/** The search list of a resolv.conf (resolv.conf(5)): which names a resolver of the node queries for a name. */

/** How a name is completed. */
export interface SearchList {
  /** Domains in the order of the file, lower case, without final dots. */
  readonly domains: readonly string[];
  /** A name with at least this many dots is queried as it is first; 0–15. */
  readonly ndots: number;
}

/** Most domains, as in Go (net/dnsclient_unix.go has no limit) bounded here by what a file reasonably holds (S2). */
const DOMAINS_MAX = 16;

/** Default and most of ndots (resolv.conf(5)). */
const NDOTS_DEFAULT = 1;
const NDOTS_MAX = 15;

/** The search list in the text of a resolv.conf. The last `search` or `domain` line counts (resolv.conf(5)). */
export function searchListOf(resolvConf: string): SearchList {
  let domains: readonly string[] = [];
  let ndots = NDOTS_DEFAULT;
  for (const line of resolvConf.split("\n")) {
    const [keyword, ...words] = line.trim().split(/\s+/);
    if (keyword === "search") domains = domainsOf(words);
    if (keyword === "domain") domains = domainsOf(words.slice(0, 1));
    if (keyword === "options") ndots = ndotsOf(words) ?? ndots;
  }
  return { domains, ndots };
}

/**
 * The names to query for `name`, in order, without final dots; never none. The order is that of Go's resolver, which
 * Talos's services use (golang/go src/net/dnsclient_unix.go, nameList), and of glibc (res_search): a name with few dots
 * is first completed by each domain; another name is queried as it is first. A name with a final dot is complete.
 */
export function queriedNames(name: string, { domains, ndots }: SearchList): readonly [string, ...string[]] {
  const plain = name.replace(/\.$/, "");
  if (name.endsWith(".")) return [plain];
  const completed = domains.map((domain) => `${plain}.${domain}`);
  const [first, ...rest] = plain.split(".").length - 1 < ndots ? [...completed, plain] : [plain, ...completed];
  return [first ?? plain, ...rest];
}

function domainsOf(words: readonly string[]): readonly string[] {
  const domains = words.map((word) => word.toLowerCase().replace(/\.$/, ""));
  // `search .` is the root: it completes no name.
  return domains.filter((domain) => domain !== "").slice(0, DOMAINS_MAX);
}

function ndotsOf(words: readonly string[]): number | undefined {
  const written = words.findLast((word) => /^ndots:\d+$/.test(word));
  return written === undefined ? undefined : Math.min(NDOTS_MAX, Number(written.slice("ndots:".length)));
}
