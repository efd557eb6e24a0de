/** Every field case. */
import type { ExpectedRow, FieldCase } from "./field-case.ts";
import { OMNI, SITE } from "./field-case.ts";
import { LINK_RESOLVER, NODE_INTERFACE, WORLD } from "./field-net.ts";
import { PORTS, PRIVATE_ROOT, PUBLIC_ROOT, PUBLIC_ROOT_SHA256 } from "./site.ts";

const PROXY = `proxy.${SITE}`;
const MIRROR = `mirror.${SITE}`;

const OMNI_ZONE = { [OMNI]: [WORLD.omni[4]] };
const PUBLIC = [WORLD.public[4]];

/** Rows of Omni's that work. */
const OMNI_MET: readonly ExpectedRow[] = [
  { requirement: "api-endpoint", probe: "http", verdict: "met" },
  { requirement: "machine-api", probe: "grpc", verdict: "met" },
];
const DNS_MET: readonly ExpectedRow[] = [
  { requirement: "node-dns-udp", verdict: "met" },
  { requirement: "node-dns-tcp", verdict: "met" },
];

/** A deployment whose nodes pull from the public registries. */
const PULLS = { egress: { nodesPullDirectly: true } };

const NAMES_CASES: readonly FieldCase[] = [
  {
    name: "01-dns-truncated",
    what: "the resolver truncates Omni's answer over UDP, and its TCP port refuses",
    zone: { ...OMNI_ZONE, "ghcr.io": PUBLIC },
    modes: [{ service: "dns", mode: "truncate", names: [OMNI] }],
    filter: ["tcp dport 53 reject with tcp reset"],
    deployment: PULLS,
    expected: [
      { requirement: "node-dns-tcp", verdict: "unmet", cause: "refused", names: ":53" },
      { requirement: "api-endpoint", verdict: "unmet" },
      { requirement: "node-ghcr", verdict: "met" },
    ],
  },
  {
    name: "02-search-domain",
    what: "Omni's name is a single label that the node's search domain completes",
    node: { search: SITE },
    zone: OMNI_ZONE,
    omni: { api: "https://omni", machineApi: `https://omni:${PORTS.machineApi}` },
    expected: [...OMNI_MET, ...DNS_MET],
  },
  {
    name: "03-ipv6-only",
    what: "a node with IPv6 alone: Omni has AAAA alone, ghcr.io A alone, and the factory is reached by NAT64",
    node: { families: [6] },
    zone: {
      [OMNI]: [WORLD.omni[6]],
      "ghcr.io": PUBLIC,
      "factory.talos.dev": [WORLD.public[4], WORLD.nat64[6]],
    },
    deployment: PULLS,
    expected: [
      ...OMNI_MET,
      ...DNS_MET,
      { requirement: "node-image-factory", target: "factory.talos.dev", probe: "tcp", verdict: "met" },
      { requirement: "node-ghcr", target: "ghcr.io", probe: "tcp", verdict: "unmet", cause: "no-common-family" },
    ],
  },
  {
    name: "17-name-in-hosts-file",
    what: "Omni's name is in the hosts file alone",
    node: { hosts: [`${WORLD.omni[4]} ${OMNI}`] },
    zone: { "ghcr.io": PUBLIC },
    expected: [...OMNI_MET, ...DNS_MET],
  },
  {
    name: "17-misspelt-name",
    what: "the deployment misspells Omni's name",
    zone: { ...OMNI_ZONE, "ghcr.io": PUBLIC },
    omni: { api: `https://omin.${SITE}` },
    expected: [
      ...DNS_MET,
      {
        requirement: "api-endpoint",
        probe: "tcp",
        verdict: "unmet",
        cause: "dns-nxdomain",
        owner: "deployment owner",
        names: `omin.${SITE}`,
      },
      { requirement: "machine-api", probe: "grpc", verdict: "met" },
    ],
  },
  {
    name: "17-first-of-two-resolvers-dead",
    what: "the first of the node's two resolvers is silent",
    node: { resolvers: [WORLD.blobs[4], WORLD.resolver[4]] },
    zone: { ...OMNI_ZONE, "ghcr.io": PUBLIC },
    filter: [`ip daddr ${WORLD.blobs[4]} drop`],
    deployment: PULLS,
    expected: [
      ...OMNI_MET,
      { requirement: "node-ghcr", target: "ghcr.io", probe: "tcp", verdict: "met" },
      {
        requirement: "node-dns-udp",
        target: WORLD.blobs[4],
        verdict: "unmet",
        cause: "timeout",
        owner: "network team",
      },
      { requirement: "node-dns-udp", target: WORLD.resolver[4], verdict: "met" },
    ],
  },
  {
    name: "17-name-fails-beside-a-dead-resolver",
    what: "one of two resolvers is silent, and the other fails for Omni's name alone",
    node: { resolvers: [WORLD.resolver[4], WORLD.blobs[4]] },
    zone: { ...OMNI_ZONE, "ghcr.io": PUBLIC },
    modes: [{ service: "dns", mode: "servfail", names: [OMNI] }],
    filter: [`ip daddr ${WORLD.blobs[4]} drop`],
    deployment: PULLS,
    expected: [
      { requirement: "api-endpoint", probe: "tcp", verdict: "unmet", owner: `owner of the zone of ${OMNI}` },
      { requirement: "node-ghcr", target: "ghcr.io", probe: "tcp", verdict: "met" },
      {
        requirement: "node-dns-udp",
        target: WORLD.blobs[4],
        verdict: "unmet",
        cause: "timeout",
        owner: "network team",
      },
      { requirement: "node-dns-udp", target: WORLD.resolver[4], verdict: "degraded", cause: "dns-servfail" },
    ],
  },
  {
    name: "18-site-resolver",
    what: "only the site's resolver is reachable, and the deployment names none",
    zone: OMNI_ZONE,
    deployment: { airGapped: { mirrors: [] } },
    expected: [
      ...OMNI_MET,
      { requirement: "node-dns-udp", target: WORLD.resolver[4], verdict: "met" },
      { requirement: "node-dns-tcp", target: WORLD.resolver[4], verdict: "met" },
    ],
  },
  {
    name: "22-link-local-resolver",
    what: "the resolver has a link-local address with a zone",
    node: { families: [6], resolvers: [`${LINK_RESOLVER}%${NODE_INTERFACE}`] },
    zone: { [OMNI]: [WORLD.omni[6]] },
    expected: [...OMNI_MET, ...DNS_MET],
  },
];

const PROXY_ZONE = { ...OMNI_ZONE, [PROXY]: [WORLD.proxy[4]], "ghcr.io": PUBLIC };
const NO_PROXY = `.${SITE},fdae::/64`;

/** The deployment has the CA of the site's own proxy. */
const SITE_PROXY_CA = { egress: { nodesPullDirectly: false, caFile: PRIVATE_ROOT } };
/** Of a row whose client asks a proxy of this kind in cleartext. */
const CLEARTEXT_FAILS = { verdict: "unmet", cause: "proxy", owner: "Node owner" } as const;

const PROXY_CASES: readonly FieldCase[] = [
  {
    name: "05-proxy-credentials",
    what: "an HTTP proxy that wants credentials, which the environment has",
    zone: PROXY_ZONE,
    modes: [{ service: "proxy", mode: "auth-required" }],
    deployment: PULLS,
    environment: { HTTPS_PROXY: `http://lab:lab@${PROXY}:${PORTS.proxy}`, NO_PROXY },
    expected: [...OMNI_MET, { requirement: "node-ghcr", probe: "tls", verdict: "met" }],
  },
  {
    name: "05-proxy-without-credentials",
    what: "an HTTP proxy that wants credentials, which the environment lacks",
    zone: PROXY_ZONE,
    modes: [{ service: "proxy", mode: "auth-required" }],
    deployment: PULLS,
    environment: { HTTPS_PROXY: `http://${PROXY}:${PORTS.proxy}`, NO_PROXY },
    expected: [
      ...OMNI_MET,
      { requirement: "node-ghcr", probe: "tls", verdict: "unmet", cause: "proxy", names: "credentials" },
    ],
  },
  {
    name: "06-https-proxy",
    what: "a proxy that speaks TLS, with a CA that the node does not trust",
    zone: PROXY_ZONE,
    deployment: PULLS,
    environment: { HTTPS_PROXY: `https://${PROXY}:${PORTS.tlsProxy}`, NO_PROXY },
    expected: [...OMNI_MET, { requirement: "node-ghcr", probe: "tls", verdict: "unmet", cause: "proxy" }],
  },
  {
    name: "06-https-proxy-of-the-deployment",
    what: "the deployment names that proxy, and the environment none",
    zone: PROXY_ZONE,
    deployment: { egress: { nodesPullDirectly: true, httpProxy: `https://${PROXY}:${PORTS.tlsProxy}` } },
    expected: [{ requirement: "http-proxy", verdict: "met" }],
  },
  {
    name: "06-tls-proxy-named-as-http",
    what: "the environment names a proxy that speaks TLS as http://",
    zone: PROXY_ZONE,
    deployment: PULLS,
    environment: { HTTPS_PROXY: `http://${PROXY}:${PORTS.tlsProxy}`, NO_PROXY },
    expected: [
      ...OMNI_MET,
      {
        requirement: "node-ghcr",
        probe: "tls",
        verdict: "unmet",
        cause: "proxy",
        owner: "node owner",
        names: "https://",
      },
    ],
  },
  {
    name: "06-socks-proxy",
    what: "a SOCKS 5 proxy",
    zone: PROXY_ZONE,
    deployment: PULLS,
    environment: { HTTPS_PROXY: `socks5://${PROXY}:${PORTS.socks}`, NO_PROXY },
    expected: [...OMNI_MET, { requirement: "node-ghcr", probe: "tls", verdict: "met" }],
  },
  {
    name: "06-socks-proxy-to-omni",
    what: "Omni behind a SOCKS 5 proxy, which Talos's own dialer supports",
    zone: PROXY_ZONE,
    environment: { HTTPS_PROXY: `socks5://${PROXY}:${PORTS.socks}`, NO_PROXY: "fdae::/64" },
    expected: OMNI_MET,
  },
  {
    name: "06-socks5h-proxy-to-omni",
    what: "the same as socks5h, which container images support and Talos's own dialer does not",
    zone: PROXY_ZONE,
    deployment: PULLS,
    environment: { HTTPS_PROXY: `socks5h://${PROXY}:${PORTS.socks}`, NO_PROXY: "fdae::/64" },
    expected: [
      { requirement: "machine-api", probe: "tls", ...CLEARTEXT_FAILS, names: "socks5:// (Talos v1.11.1 or later)" },
      { requirement: "machine-api", probe: "grpc", verdict: "unmet", cause: "proxy" },
      { requirement: "api-endpoint", probe: "http", verdict: "met" },
      { requirement: "node-ghcr", probe: "tls", verdict: "met" },
    ],
  },
  {
    name: "06-https-proxy-to-omni",
    what: "Omni behind a proxy that speaks TLS, with the site's CA, which Talos's own dialer supports",
    zone: PROXY_ZONE,
    deployment: SITE_PROXY_CA,
    environment: { HTTPS_PROXY: `https://${PROXY}:${PORTS.tlsProxy}`, NO_PROXY: "fdae::/64" },
    expected: OMNI_MET,
  },
  {
    name: "06-https-proxy-to-omni-old-talos",
    what: "the same with a Talos whose dialer asks that proxy in cleartext",
    node: { talosVersion: "v1.10.5" },
    zone: PROXY_ZONE,
    deployment: SITE_PROXY_CA,
    environment: { HTTPS_PROXY: `https://${PROXY}:${PORTS.tlsProxy}`, NO_PROXY: "fdae::/64" },
    expected: [
      { requirement: "machine-api", probe: "tls", ...CLEARTEXT_FAILS, names: "https:// (Talos v1.11.3 or later)" },
      { requirement: "machine-api", probe: "grpc", verdict: "unmet", cause: "proxy" },
      { requirement: "api-endpoint", probe: "http", verdict: "met" },
    ],
  },
  {
    name: "06-proxy-without-port",
    what: "Omni behind a proxy whose URL has no port, without which Talos's own dialer dials nothing",
    zone: PROXY_ZONE,
    environment: { HTTPS_PROXY: `http://${PROXY}`, NO_PROXY: "fdae::/64" },
    expected: [
      {
        requirement: "machine-api",
        verdict: "unknown",
        cause: "unsupported-proxy",
        owner: "Node owner",
        names: "names no port",
      },
    ],
  },
  {
    name: "06-unsupported-proxy",
    what: "a SOCKS 4 proxy, which Lifeline does not speak",
    zone: PROXY_ZONE,
    deployment: PULLS,
    environment: { HTTPS_PROXY: `socks4://${PROXY}:${PORTS.socks}`, NO_PROXY },
    expected: [
      ...OMNI_MET,
      { requirement: "node-ghcr", verdict: "unknown", cause: "unsupported-proxy", names: "socks4" },
    ],
  },
];

const FILTERED = {
  "ghcr.io": "ok",
  "registry.k8s.io": "alert-112",
  "factory.talos.dev": "plain-http",
  "gcr.io": "alert-40",
  "storage.googleapis.com": "tls12",
  "us-west1-docker.pkg.dev": "intercepted",
  "cdn.registry.k8s.io": "close",
  "discovery.talos.dev": "stall",
  "pkg-containers.githubusercontent.com": "reset",
  "raw.githubusercontent.com": "alert-49",
} as const;

const filtered = (target: string, cause: string, owner = "network team"): ExpectedRow => {
  return { requirement: "node-*", target, probe: "tls", verdict: "unmet", cause, owner };
};

const TLS_CASES: readonly FieldCase[] = [
  {
    name: "07-filters-by-name",
    what: "filters on the path answer a ClientHello by its server name, each in its own way",
    zone: { ...OMNI_ZONE, ...Object.fromEntries(Object.keys(FILTERED).map((name) => [name, PUBLIC])) },
    modes: Object.entries(FILTERED).map(([name, mode]) => ({ service: "public", mode, names: [name] })),
    deployment: PULLS,
    expected: [
      ...OMNI_MET,
      { requirement: "node-ghcr", target: "ghcr.io", probe: "tls", verdict: "met" },
      { requirement: "node-gcr-blobs", target: "storage.googleapis.com", probe: "tls", verdict: "met" },
      filtered("registry.k8s.io", "tls-filtered"),
      filtered("factory.talos.dev", "tls-filtered"),
      filtered("gcr.io", "tls-filtered"),
      filtered("raw.githubusercontent.com", "tls-filtered"),
      filtered("us-west1-docker.pkg.dev", "tls-intercepted"),
      filtered("cdn.registry.k8s.io", "tls-filtered"),
      filtered("pkg-containers.githubusercontent.com", "tls-filtered"),
      filtered("discovery.talos.dev", "tls-filtered"),
    ],
  },
];

const INSPECTION_CASES: readonly FieldCase[] = [
  {
    name: "17-declared-inspection-of-omni",
    what: "Omni's API has a private CA, and the site inspects it by a CA that the deployment declares",
    zone: OMNI_ZONE,
    modes: [{ service: "machine-api", mode: "untrusted", names: [OMNI] }],
    omni: { caFile: PRIVATE_ROOT },
    deployment: { egress: { nodesPullDirectly: false, tlsInspection: [{ caFile: PUBLIC_ROOT }] } },
    expected: [
      { requirement: "api-endpoint", probe: "http", verdict: "met", names: "The site inspects this TLS" },
      { requirement: "machine-api", probe: "grpc", verdict: "met" },
    ],
  },
  {
    name: "17-declared-inspection-by-sha-256",
    what: "the same, declared by the SHA-256 of the CA, which the node trusts",
    zone: OMNI_ZONE,
    modes: [{ service: "machine-api", mode: "untrusted", names: [OMNI] }],
    omni: { caFile: PRIVATE_ROOT },
    deployment: { egress: { nodesPullDirectly: false, tlsInspection: [{ caSha256: PUBLIC_ROOT_SHA256 }] } },
    expected: [
      { requirement: "api-endpoint", probe: "http", verdict: "met", names: "The site inspects this TLS" },
      { requirement: "machine-api", probe: "grpc", verdict: "met" },
    ],
  },
  {
    name: "17-declared-inspection-of-the-machine-api",
    what: "the same inspection of the Machine API, which breaks it",
    zone: OMNI_ZONE,
    modes: [{ service: "api", mode: "untrusted", names: [OMNI] }],
    omni: { caFile: PRIVATE_ROOT },
    deployment: { egress: { nodesPullDirectly: false, tlsInspection: [{ caFile: PUBLIC_ROOT }] } },
    expected: [
      { requirement: "api-endpoint", probe: "http", verdict: "met" },
      {
        requirement: "machine-api",
        probe: "tls",
        verdict: "unmet",
        cause: "tls-intercepted",
        owner: "network team",
        names: "Inspection is a fault here",
      },
    ],
  },
];

const mirrors = (...list: readonly { readonly replaces: string; readonly with: string }[]) => {
  return { egress: { nodesPullDirectly: true }, airGapped: { mirrors: list } };
};

const REGISTRY_CASES: readonly FieldCase[] = [
  {
    name: "09-mirror-is-no-registry",
    what: "the mirror answers everything with 404",
    zone: { ...OMNI_ZONE, [MIRROR]: [WORLD.mirror[4]] },
    modes: [{ service: "api", mode: "http-404", names: [MIRROR] }],
    deployment: mirrors({ replaces: "ghcr.io", with: `https://${MIRROR}` }),
    expected: [
      { requirement: "node-ghcr", target: MIRROR, probe: "registry", verdict: "unmet", cause: "not-a-registry" },
    ],
  },
  {
    name: "09-mirror-is-a-page",
    what: "the mirror answers everything with 200 and a page",
    zone: { ...OMNI_ZONE, [MIRROR]: [WORLD.mirror[4]] },
    modes: [{ service: "api", mode: "html-200", names: [MIRROR] }],
    deployment: mirrors({ replaces: "ghcr.io", with: `https://${MIRROR}` }),
    expected: [
      { requirement: "node-ghcr", target: MIRROR, probe: "registry", verdict: "unmet", cause: "not-a-registry" },
    ],
  },
  {
    name: "09-mirror-of-a-misspelt-host",
    what: "a mirror replaces a host that no requirement names",
    zone: OMNI_ZONE,
    deployment: mirrors({ replaces: "ghcr.oi", with: `https://${MIRROR}` }),
    expected: { refused: "ghcr.io" },
  },
  {
    name: "11-registry-rate-limits",
    what: "the registry answers 429",
    zone: { ...OMNI_ZONE, "ghcr.io": PUBLIC },
    modes: [{ service: "public", mode: "http-429", names: ["ghcr.io"] }],
    deployment: PULLS,
    expected: [
      { requirement: "node-ghcr", target: "ghcr.io", probe: "tls", verdict: "met" },
      { requirement: "node-ghcr", target: "ghcr.io", probe: "registry", verdict: "degraded", cause: "rate-limited" },
    ],
  },
  {
    name: "11-token-of-an-undocumented-host",
    what: "the registry wants a token of a host that no document names",
    zone: { ...OMNI_ZONE, "ghcr.io": PUBLIC },
    modes: [{ service: "public", mode: "token-elsewhere", names: ["ghcr.io"] }],
    deployment: PULLS,
    expected: [
      { requirement: "node-ghcr", target: "ghcr.io", probe: "tls", verdict: "met" },
      {
        requirement: "node-ghcr",
        target: "ghcr.io",
        probe: "registry",
        verdict: "unknown",
        owner: "deployment owner",
        names: "https://tokens.example",
      },
    ],
  },
  {
    name: "11-token-host-blocked",
    what: "TCP 443 to the host that gives the registry's tokens is dropped, and the deployment names that host",
    zone: { ...OMNI_ZONE, "ghcr.io": PUBLIC, "tokens.example": [WORLD.blobs[4]] },
    modes: [{ service: "public", mode: "token-elsewhere", names: ["ghcr.io"] }],
    filter: [`ip daddr ${WORLD.blobs[4]} tcp dport 443 drop`],
    deployment: { egress: { ...PULLS.egress, redirectHosts: ["tokens.example"] } },
    expected: [
      { requirement: "node-ghcr", target: "ghcr.io", probe: "tls", verdict: "met" },
      {
        requirement: "node-ghcr",
        target: "ghcr.io",
        probe: "registry",
        verdict: "unmet",
        cause: "token-host",
        owner: "network team",
        names: "https://tokens.example: timeout",
      },
    ],
  },
  {
    name: "11-blob-host-filtered",
    what: "the registry redirects to a blob host whose connections are reset",
    zone: { ...OMNI_ZONE, "ghcr.io": PUBLIC, "pkg-containers.githubusercontent.com": [WORLD.blobs[4]] },
    modes: [
      { service: "public", mode: "moved", names: ["ghcr.io"] },
      { service: "public", mode: "reset", names: ["pkg-containers.githubusercontent.com"] },
    ],
    deployment: PULLS,
    expected: [
      {
        requirement: "node-ghcr*",
        target: "pkg-containers.githubusercontent.com",
        probe: "tls",
        verdict: "unmet",
        cause: "tls-filtered",
        owner: "network team",
      },
    ],
  },
];

const TIME_ZONE = { ...OMNI_ZONE, "time.cloudflare.com": [WORLD.time[4]] };

const TIME_CASES: readonly FieldCase[] = [
  {
    name: "10-plain-time-for-secure-time",
    what: "a node that wants Network Time Security is answered plain NTP",
    node: { talosVersion: "v1.14.0" },
    zone: TIME_ZONE,
    expected: [{ requirement: "node-time-security", probe: "nts", verdict: "unmet", cause: "time-unproven" }],
  },
  {
    name: "10-time-blocked",
    what: "UDP 123 is dropped",
    zone: TIME_ZONE,
    filter: ["udp dport 123 drop"],
    expected: [
      {
        requirement: "node-time",
        probe: "ntp",
        verdict: "unmet",
        cause: "timeout",
        owner: "network team",
        names: "123",
      },
    ],
  },
  {
    name: "10-time-served",
    what: "the time server answers",
    zone: TIME_ZONE,
    expected: [{ requirement: "node-time", probe: "ntp", verdict: "met" }],
  },
];

/** The Machine API as a kernel argument, without a deployment that names it. */
const kernelArgument = (name: string, what: string, url: string, expected: readonly ExpectedRow[]): FieldCase => ({
  name: `kernel-argument-${name}`,
  what,
  node: { cmdline: `siderolink.api=${url}?jointoken=made-up` },
  zone: { ...OMNI_ZONE, [`omni_dev.${SITE}`]: [WORLD.omni[4]] },
  omni: { machineApi: undefined },
  expected,
});
const MACHINE_API_MET: readonly ExpectedRow[] = [{ requirement: "machine-api", probe: "grpc", verdict: "met" }];

const NODE_CASES: readonly FieldCase[] = [
  {
    name: "stalled-sample",
    what: "Omni's API is silent, and the process stalls during its last attempt",
    zone: OMNI_ZONE,
    filter: ["tcp dport 443 drop"],
    stall: { atMs: 9_200, forMs: 2_000 },
    expected: [
      { requirement: "api-endpoint", probe: "tcp", verdict: "unmet", cause: "timeout", owner: "network team" },
      { requirement: "machine-api", probe: "grpc", verdict: "met" },
    ],
  },
  kernelArgument(
    "http",
    "the kernel argument has http://, which Talos dials by TLS",
    `http://${OMNI}:8090`,
    MACHINE_API_MET,
  ),
  kernelArgument(
    "tcp",
    "the kernel argument has tcp://, which Talos dials by TLS",
    `tcp://${OMNI}:8090`,
    MACHINE_API_MET,
  ),
  kernelArgument(
    "underscore",
    "the kernel argument has a name with an underscore",
    `https://omni_dev.${SITE}:8090`,
    MACHINE_API_MET,
  ),
  kernelArgument(
    "final-dot",
    "the kernel argument has a name with a final dot",
    `https://${OMNI}.:8090`,
    MACHINE_API_MET,
  ),
  kernelArgument("unreadable", "the kernel argument cannot be read", "https://omni:port", [
    { requirement: "machine-api", verdict: "unknown", names: "cannot be read" },
  ]),
];

/** All cases, in the order in which they are played. */
export const FIELD_CASES: readonly FieldCase[] = [
  ...NAMES_CASES,
  ...PROXY_CASES,
  ...TLS_CASES,
  ...INSPECTION_CASES,
  ...REGISTRY_CASES,
  ...TIME_CASES,
  ...NODE_CASES,
];
