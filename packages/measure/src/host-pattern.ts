/** Patterns of hosts, as documents write them: a host name, or a wildcard domain such as `*.example.com`. */

/** Whether the wildcard `pattern` covers `host`, in any case: one label or more before its domain. */
export function matchesWildcard(pattern: string, host: string): boolean {
  return host.toLowerCase().endsWith(pattern.slice(1).toLowerCase());
}

/** Whether `pattern`, a host name or a wildcard domain, covers `host`, in any case. */
export function matchesHost(pattern: string, host: string): boolean {
  return pattern.startsWith("*.") ? matchesWildcard(pattern, host) : pattern.toLowerCase() === host.toLowerCase();
}
