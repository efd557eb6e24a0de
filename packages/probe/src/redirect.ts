/**
 * Where an answer redirects to. Only scheme, host and port are read: path and query may hold the signature of a
 * download (S1).
 */
import { documentedRedirect } from "@lifeline/measure";
import { boundedText } from "./probe-result.ts";

/** The origin of `location`, relative to `base`; null: it cannot be read. */
export function redirectOrigin(location: string, base: string): URL | null {
  const target = URL.parse(location, base);
  return target === null ? null : URL.parse(target.origin);
}

/** The origin as evidence. */
export function originText({ origin }: URL): string {
  return boundedText(origin);
}

/**
 * Whether a redirect leads to a host that the documents name: https on its own port, and a name that is not an address.
 */
export function isDocumented({ origin }: URL, documentedHosts: readonly string[]): boolean {
  return documentedRedirect(origin, documentedHosts) !== undefined;
}
