/** Patterns of hosts, as documents write them: a host name, or a wildcard domain such as `*.example.com`. */

import { isTargetHost, literalFamily } from "./target-text.ts";

/** Whether the wildcard `pattern` covers `host`, in any case: one label or more before its domain. */
export function matchesWildcard(pattern: string, host: string): boolean {
  return host.toLowerCase().endsWith(pattern.slice(1).toLowerCase());
}

/** Whether `pattern`, a host name or a wildcard domain, covers `host`, in any case. */
export function matchesHost(pattern: string, host: string): boolean {
  return pattern.startsWith("*.") ? matchesWildcard(pattern, host) : pattern.toLowerCase() === host.toLowerCase();
}

/**
 * The host that an origin such as `https://cdn.example` names, in lower case, if the documents name it too: https on
 * its own port, and a name that is not an address. Undefined: it is not such a redirect.
 */
export function documentedRedirect(origin: string, documentedHosts: readonly string[]): string | undefined {
  const url = URL.parse(origin);
  if (url?.protocol !== "https:" || url.port !== "" || !isTargetHost(url.hostname)) return undefined;
  const host = url.hostname.toLowerCase();
  const isNamed = literalFamily(host) === undefined && documentedHosts.some((pattern) => matchesHost(pattern, host));
  return isNamed ? host : undefined;
}
