/** How the client of a row asks a proxy. One of a kind that it does not support it asks by CONNECT in cleartext. */
import { type ProxyEndpoint, proxyName } from "@lifeline/measure";
import type { ProxyKind, Requirement } from "./requirement.ts";
import { isSince, readTalosVersion } from "./talos-version.ts";

/** The proxy as the client asks it, and what people should know of that. */
export interface AskedProxy {
  readonly proxy: ProxyEndpoint;
  readonly note?: string;
}

/** The proxy as the row's client asks it in this version of Talos. Undefined: not known; the newest is assumed. */
export function askedBy(
  { proxyKinds }: Pick<Requirement, "proxyKinds">,
  proxy: ProxyEndpoint,
  talosVersion: string | undefined,
): AskedProxy {
  if (proxyKinds === undefined) return { proxy };
  const { scheme = "http", host, port } = proxy;
  const kind = proxyKinds.find((one) => one.scheme === scheme);
  const [version, since] = [readTalosVersion(talosVersion), readTalosVersion(kind?.since)];
  const isSupported = kind !== undefined && (since === undefined || version === undefined || isSince(version, since));
  if (!isSupported) {
    const note = `Talos asks ${proxyName(proxy)} for this endpoint by CONNECT in cleartext, and so does this row: ${supportOf(proxyKinds)}`;
    return { proxy: { scheme, host, port, cleartextConnect: true }, note };
  }
  if (since === undefined || version !== undefined) return { proxy };
  const note = `the node's version of Talos is not known; one before ${kind.since} asks ${proxyName(proxy)} by CONNECT in cleartext`;
  return { proxy, note };
}

/** The kinds of proxy that the client supports, for people. */
function supportOf(kinds: readonly ProxyKind[]): string {
  const names = kinds.map(({ scheme, since }) => `${scheme}://${since === undefined ? "" : ` since ${since}`}`);
  return `its client supports ${names.join(", ")}`;
}
