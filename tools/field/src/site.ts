/** The site of a case: its services in the world, and its deployment. */
import { join, resolve } from "node:path";
import { type FieldCase, OMNI, SITE } from "./field-case.ts";
import { LINK_RESOLVER, WORLD, WORLD_INTERFACE } from "./field-net.ts";

/** Control socket of the services, and the root of the public certificates, in the folder of the case. */
export const CONTROL_SOCKET = "services.sock";
export const PUBLIC_ROOT = "public-root.pem";
/** Stands in a deployment for the SHA-256 of {@link PUBLIC_ROOT}, which is made anew for each case. */
export const PUBLIC_ROOT_SHA256 = "SHA-256 of the public root";
/** The root of the site's own proxy. */
export const PRIVATE_ROOT = "private-root.pem";

/** Ports of the site. */
export const PORTS = {
  api: 443,
  machineApi: 8_090,
  siderolink: 50_180,
  dns: 53,
  proxy: 3_128,
  tlsProxy: 3_129,
  socks: 1_080,
} as const;

const SERVICES = resolve(import.meta.dirname, "../../lab/dist/services/main.js");

/** Node's arguments for the services. */
export function serviceArguments({ node = {}, zone }: FieldCase, folder: string): readonly string[] {
  const { families = [4] } = node;
  const at = (port: number, ...places: (keyof typeof WORLD)[]) =>
    places.flatMap((place) => families.map((family) => endpoint(WORLD[place][family], port)));
  const flag = (name: string, values: readonly string[]) => values.flatMap((value) => [`--${name}`, value]);
  const dns = [...at(PORTS.dns, "resolver"), endpoint(`${LINK_RESOLVER}%${WORLD_INTERFACE}`, PORTS.dns)];
  const names = Object.entries(zone).map(
    ([name, addresses]) => [isOwn(name), `${name}=${addresses.join(",")}`] as const,
  );
  return [
    SERVICES,
    ...flag("dns", dns),
    ...flag("web", at(PORTS.api, "omni", "public", "blobs", "mirror", "nat64")),
    ...flag("machine-api", at(PORTS.machineApi, "omni")),
    ...flag("proxy", at(PORTS.proxy, "proxy")),
    ...flag("tls-proxy", at(PORTS.tlsProxy, "proxy")),
    ...flag("socks", at(PORTS.socks, "proxy")),
    ...flag("ntp", at(123, "time")),
    ...flag("nts-ke", at(4_460, "time")),
    ...flag(
      "omni-name",
      names.flatMap(([own, name]) => (own ? [name] : [])),
    ),
    ...flag(
      "public-name",
      names.flatMap(([own, name]) => (own ? [] : [name])),
    ),
    ...flag(
      "issuer",
      Object.keys(zone).flatMap((name) => (isOwn(name) ? [] : [`${name}=${issuerOf(name)}`])),
    ),
    "--control",
    join(folder, CONTROL_SOCKET),
    "--ca-folder",
    folder,
  ];
}

/** The deployment of a case: an Omni on the site, whose nodes pull nothing. */
export function siteDeployment({ node = {}, deployment = {}, omni = {} }: FieldCase): object {
  const [family = 4] = node.families ?? [];
  return {
    version: 1,
    name: "site",
    kind: "on-prem",
    omni: {
      api: `https://${OMNI}`,
      machineApi: `https://${OMNI}:${PORTS.machineApi}`,
      siderolink: [endpoint(WORLD.omni[family], PORTS.siderolink)],
      ...omni,
    },
    egress: { nodesPullDirectly: false },
    ...deployment,
  };
}

function endpoint(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** A name of the site's, and a single label, which the resolver's client completes. */
function isOwn(name: string): boolean {
  return name.endsWith(SITE);
}

/** A CA that the host is known to have (catalogue, certificate-issuers.yaml). */
function issuerOf(name: string): string {
  if (/(gcr\.io|googleapis\.com|pkg\.dev)$/.test(name)) return "Google Trust Services";
  return name.endsWith("amazonaws.com") ? "Amazon" : "Let's Encrypt";
}
