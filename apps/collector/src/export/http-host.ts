/**
 * Under which host names metrics and health are served. A web page can point a name of its own at any address (DNS
 * rebinding), and would then read what a browser behind the firewall gets. The browser sends that name as the host.
 */
import { isIP } from "node:net";

/** The answer to a request under another name. */
export const HOST_WANTED =
  "host: want an address, localhost, the host of httpListen, or one of httpNames (--http-name, LIFELINE_HTTP_NAMES)";

/** A host and an optional port (RFC 9110 §7.2), IPv6 in brackets. */
const HOST = /^(?:\[(?<literal>[0-9a-f:.]+)\]|(?<name>[a-z0-9._-]+))(?::\d{0,5})?$/;

/**
 * Whether a `Host` header names this server: by an address, which no page can point elsewhere, as `localhost`, or by
 * one of `names`, in any case. No header is right: only HTTP/1.0 may leave it out, and no browser speaks that.
 */
export function hostCheck(names: readonly string[]): (header: string | undefined) => boolean {
  const known = new Set(["localhost", ...names.map(canonicalName)]);
  return (header) => {
    if (header === undefined) return true;
    const { literal, name } = HOST.exec(header.toLowerCase())?.groups ?? {};
    if (literal !== undefined) return isIP(literal) === 6;
    return name !== undefined && (isIP(name) === 4 || known.has(canonicalName(name)));
  };
}

/** A name without the dot of the root. */
function canonicalName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
