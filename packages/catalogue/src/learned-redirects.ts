/**
 * Hosts that a row's endpoint redirects to, learned from what probes saw. They become targets of the row (resolve).
 *
 * 1. Only documented hosts are learned (see documented-hosts.ts): https, its own port, a name. Path and query are
 *    neither used nor kept (S1).
 * 2. At most {@link REDIRECTS_MAX} for a row; the one seen longest ago gives way (S2).
 * 3. A host that is no longer seen is dropped after {@link REDIRECT_KEPT_MS}.
 */
import { addressScope, documentedRedirect, type Evidence, type RedirectScope, type Target } from "@lifeline/measure";

/** Most hosts of one row. */
export const REDIRECTS_MAX = 4;

/** How long a host stays after it was last seen, ms: an hour, which outlasts an outage of the host that names it. */
export const REDIRECT_KEPT_MS = 3_600_000;

/** A host that a row's endpoint redirects to. */
export interface LearnedRedirect {
  readonly requirementId: string;
  /** A host name, in lower case. */
  readonly host: string;
  /**
   * Addresses that it may have. `site` only where the endpoint that redirects has an address inside the site itself:
   * then its names are the site's.
   */
  readonly scope: RedirectScope;
  /** When it was last seen, ms since the epoch, on the node's clock. */
  readonly seenAtMs: number;
}

/** What a sample of `target` at `atMs` adds to what is known. The same array if it adds nothing. */
export function learnRedirect(
  known: readonly LearnedRedirect[],
  target: Target,
  { redirects, address }: Evidence,
  atMs: number,
): readonly LearnedRedirect[] {
  const host = documentedRedirect(redirects?.at(-1) ?? "", documentedBy(target));
  if (host === undefined || host === target.host.toLowerCase()) return known;
  const { requirementId, proxy } = target;
  // Through a proxy the address is the proxy's, and shows nothing of the endpoint.
  const isSite = proxy === undefined && address !== undefined && addressScope(address) === "private";
  const isSame = (other: LearnedRedirect) => other.requirementId === requirementId && other.host === host;
  const before = known.find(isSame);
  if (before !== undefined && before.seenAtMs >= atMs) return known;
  const learned = { requirementId, host, scope: isSite ? "site" : "public", seenAtMs: atMs } as const;
  return bounded([...known.filter((other) => !isSame(other)), learned], requirementId);
}

/** Those that are still to be measured at `nowMs`. The same array if all are. */
export function keptRedirects(known: readonly LearnedRedirect[], nowMs: number): readonly LearnedRedirect[] {
  const kept = known.filter(({ seenAtMs }) => Math.abs(nowMs - seenAtMs) < REDIRECT_KEPT_MS);
  return kept.length === known.length ? known : kept;
}

/** Whether both lead to the same targets, whenever they were seen. */
export function isSameRedirects(a: readonly LearnedRedirect[], b: readonly LearnedRedirect[]): boolean {
  return a === b || JSON.stringify(keysOf(a)) === JSON.stringify(keysOf(b));
}

function keysOf(redirects: readonly LearnedRedirect[]): readonly string[] {
  return redirects.map(({ requirementId, host, scope }) => `${requirementId} ${host} ${scope}`).sort();
}

function documentedBy({ options }: Target): readonly string[] {
  if (options.probe === "registry") return options.expect.documentedHosts;
  return options.probe === "http" ? (options.documentedHosts ?? []) : [];
}

function bounded(redirects: readonly LearnedRedirect[], requirementId: string): readonly LearnedRedirect[] {
  const own = redirects.filter((one) => one.requirementId === requirementId);
  if (own.length <= REDIRECTS_MAX) return redirects;
  const oldest = own.reduce((least, one) => (one.seenAtMs < least.seenAtMs ? one : least));
  return redirects.filter((one) => one !== oldest);
}
