/** Opens the listeners of the lab's services. A service without endpoints does not run. */
import type { Clock } from "@lifeline/measure";
import { LabError } from "../lab-error.ts";
import { createMachineApi } from "../machine-api.ts";
import type { ClientGate, ServiceEndpoint } from "./client-gate.ts";
import { openConnectProxy, type ProxyCredentials } from "./connect-proxy.ts";
import { openDnsServer } from "./dns-server.ts";
import type { LabCas } from "./lab-cas.ts";
import { createLeafStore } from "./leaf-store.ts";
import { openMiddlebox } from "./middlebox.ts";
import { type ModeTable, sameName } from "./mode-table.ts";
import type { TlsMode } from "./modes.ts";
import { KEY_EXCHANGE, openNtpServer } from "./ntp-server.ts";
import { createPageServer, type PageServer } from "./pages.ts";
import { openSocksProxy } from "./socks-proxy.ts";
import { openTlsService } from "./tls-service.ts";
import { requireAddresses, type Zone } from "./zone.ts";

/** A middlebox: where it listens, and what it stands in front of. */
export interface MiddleboxEndpoint extends ServiceEndpoint {
  /** The true server; for a name in the zone, the name's first address takes the host's place. */
  readonly upstream: ServiceEndpoint;
}

/** Where the services listen. Each list: at most {@link ENDPOINTS_MAX} endpoints, default none. */
export interface ListenerOptions {
  /** UDP and TCP. */
  readonly dns?: readonly ServiceEndpoint[];
  /** Omni's API and the public hosts, distinguished by SNI. */
  readonly web?: readonly ServiceEndpoint[];
  readonly machineApi?: readonly ServiceEndpoint[];
  readonly middlebox?: readonly MiddleboxEndpoint[];
  readonly proxy?: readonly ServiceEndpoint[];
  /** The same proxy over TLS, with a certificate of the private CA. */
  readonly tlsProxy?: readonly ServiceEndpoint[];
  /** SOCKS 5, which reaches the same. */
  readonly socks?: readonly ServiceEndpoint[];
  /** Plain NTP. */
  readonly ntp?: readonly ServiceEndpoint[];
  /** Key exchange of Network Time Security, with cookies for a time server that the lab does not have. */
  readonly ntsKe?: readonly ServiceEndpoint[];
  /** Endpoints the proxy may reach in addition to `web` and `machineApi`, such as the collector. */
  readonly proxyReaches?: readonly ServiceEndpoint[];
  /** Default {@link PROXY_CREDENTIALS}. */
  readonly proxyCredentials?: ProxyCredentials;
  /** What mode drift answers with; default {@link DRIFT_ADDRESSES}. */
  readonly driftAddresses?: readonly string[];
}

/** What the listeners share. */
export interface ListenerWorld {
  readonly clock: Clock;
  readonly zone: Zone;
  readonly cas: LabCas;
  readonly table: ModeTable;
}

/** Endpoints of one service. */
export const ENDPOINTS_MAX = 16;

/** Addresses for documentation (RFC 5737 §3, RFC 3849 §2): no host has them. */
export const DRIFT_ADDRESSES: readonly string[] = ["192.0.2.80", "2001:db8::80"];

/** Known to everybody, so no secret. */
export const PROXY_CREDENTIALS: ProxyCredentials = { user: "lab", password: "lab" };

/** One open listener as the state shows it. */
export interface ServiceListener extends ServiceEndpoint {
  readonly name: "dns" | "web" | "machine-api" | "middlebox" | "proxy" | "socks" | "ntp" | "nts-ke";
}

/** One open listener. */
export interface OpenListener {
  readonly name: ServiceListener["name"];
  readonly gate: Pick<ClientGate, "host" | "port" | "disconnect" | "close"> & Partial<ClientGate>;
}

type Closers = (() => Promise<void>)[];

/** Opens all; what is open is in `closers` even when this throws `bad-input` or `listen-failed`. */
export async function openListeners(
  options: ListenerOptions,
  world: ListenerWorld,
  closers: Closers,
): Promise<readonly OpenListener[]> {
  checkOptions(options);
  const open: OpenListener[] = [];
  const add = async <Endpoint extends ServiceEndpoint>(
    name: OpenListener["name"],
    endpoints: readonly Endpoint[] = [],
    opening: (endpoint: Endpoint) => Promise<OpenListener["gate"]>,
  ) => {
    for (const endpoint of endpoints) {
      const gate = await opening(endpoint);
      open.push({ name, gate });
      closers.push(() => gate.close());
    }
  };
  const { clock, table, zone } = world;
  const drift = options.driftAddresses ?? DRIFT_ADDRESSES;
  await add("dns", options.dns, (endpoint) => openDnsServer({ endpoint, table, zone, drift }));
  await add("ntp", options.ntp, (endpoint) => openNtpServer(endpoint, clock));

  const tls = createTlsServices(world, closers);
  await add("web", options.web, tls.web);
  await add("machine-api", options.machineApi, tls.machineApi);
  await add("nts-ke", options.ntsKe, tls.ntsKe);
  await add("middlebox", options.middlebox, tls.middlebox);

  const servers = open.filter(({ name }) => name === "web" || name === "machine-api").map(({ gate }) => gate);
  const reaches = [...servers, ...(options.proxyReaches ?? [])];
  const proxy = { clock, table, zone, reaches, credentials: options.proxyCredentials ?? PROXY_CREDENTIALS };
  await add("proxy", options.proxy, (endpoint) => openConnectProxy({ ...proxy, endpoint }));
  await add("proxy", options.tlsProxy, (endpoint) => openConnectProxy({ ...proxy, endpoint, leaves: tls.leaves }));
  await add("socks", options.socks, (endpoint) => openSocksProxy({ ...proxy, endpoint }));
  return open;
}

const LISTS = [
  "dns",
  "web",
  "machineApi",
  "middlebox",
  "proxy",
  "tlsProxy",
  "socks",
  "ntp",
  "ntsKe",
  "proxyReaches",
] as const;

function checkOptions(options: ListenerOptions): void {
  requireAddresses("driftAddresses", options.driftAddresses ?? DRIFT_ADDRESSES);
  for (const name of LISTS) {
    const endpoints = options[name] ?? [];
    if (endpoints.length > ENDPOINTS_MAX) {
      throw new LabError("bad-input", `${name}: ${endpoints.length} endpoints; expected at most ${ENDPOINTS_MAX}`);
    }
    for (const { host } of endpoints) requireAddresses(`${name}.host`, [host]);
  }
}

/** How to open each of the services that speak TLS; they share certificates, pages and the gRPC server. */
function createTlsServices({ clock, zone, cas, table }: ListenerWorld, closers: Closers) {
  const issuers = new Map(
    zone.names.flatMap(({ name, issuer }) => (issuer ? [[sameName(name), issuer] as const] : [])),
  );
  const leaves = createLeafStore(cas, issuers);
  const pages = createPages();
  const machineApi = createMachineApi();
  closers.push(async () => machineApi.close());
  const shared = { clock, table, leaves };
  return {
    leaves,
    ntsKe: (endpoint: ServiceEndpoint) =>
      openTlsService({
        ...shared,
        endpoint,
        services: ["public"],
        serviceOf: () => "public",
        alpn: ["ntske/1"],
        serve: (session) => void session.once("data", () => session.end(KEY_EXCHANGE)),
      }),
    web: (endpoint: ServiceEndpoint) =>
      openTlsService({
        ...shared,
        endpoint,
        services: ["api", "public"],
        serviceOf: (name) => (zone.find(name)?.owner === "public" ? "public" : "api"),
        alpn: ["h2", "http/1.1"],
        serve: (session, mode) => pages(mode).serve(session),
      }),
    machineApi: (endpoint: ServiceEndpoint) =>
      openTlsService({
        ...shared,
        endpoint,
        services: ["machine-api"],
        serviceOf: () => "machine-api",
        alpn: ["h2"],
        serve: (session, mode) => (isAboutPages(mode) ? pages(mode) : machineApi).serve(session),
      }),
    middlebox: ({ upstream, ...endpoint }: MiddleboxEndpoint) =>
      openMiddlebox({ ...shared, zone, endpoint, upstream, publicRootPem: cas.publicRootPem }),
  };
}

/** One page server a mode, made when first needed: there are as many as modes. */
function createPages(): (mode: TlsMode) => PageServer {
  const servers = new Map<TlsMode, PageServer>();
  return (mode) => {
    const server = servers.get(mode) ?? createPageServer(mode);
    servers.set(mode, server);
    return server;
  };
}

/** Modes in which a server other than a gRPC server answers at the Machine API's port. */
const PAGE_MODES: readonly TlsMode[] = [
  "html-200",
  "html-415",
  "html-502",
  "grpc-unavailable",
  "http1-only",
  "http-503",
  "redirect",
  "block-page",
  "captive-page",
  "http-404",
  "http-429",
  "token-elsewhere",
  "moved",
];

function isAboutPages(mode: TlsMode): boolean {
  return PAGE_MODES.includes(mode);
}
