/** What to measure: one address family, one port, one protocol. IPv4 and IPv6 are two targets (M1). */

/** The protocols a probe speaks; one file of `probe` each. */
export const PROBE_KINDS = ["dns", "tcp", "tls", "http", "grpc", "udp", "stamp", "link", "mtu"] as const;
export type ProbeKind = (typeof PROBE_KINDS)[number];

/** Internet Protocol version of a target's address. */
export type IpFamily = 4 | 6;

/** Which authorities a certificate chain must end at. */
export type Trust =
  /** The host's public roots. */
  | { readonly kind: "public" }
  /** Only these PEM certificates; public roots do not count. */
  | { readonly kind: "private"; readonly caPem: string };

/** What an HTTP answer must look like to count as answered. */
export interface HttpExpectation {
  readonly method: "GET" | "HEAD";
  /** Absolute path with query, `/` first. */
  readonly path: string;
  readonly version: "1.1" | "2";
  /** Accepted status codes; empty = any status below 500 from the host that was asked. */
  readonly statuses: readonly number[];
}

/** What only one protocol needs to know. */
export type ProbeOptions =
  | {
      readonly probe: "tcp" /** A reset from a closed port is an answer too: true in the tunnel, where it proves the path. */;
      readonly acceptReset: boolean;
    }
  | {
      readonly probe: "tls";
      readonly trust: Trust /** ALPN protocols offered; the server must pick the first of them when `alpnRequired`. */;
      readonly alpn: readonly string[];
      readonly alpnRequired: boolean;
    }
  | { readonly probe: "http" /** Absent: cleartext HTTP. */; readonly trust?: Trust; readonly expect: HttpExpectation }
  | { readonly probe: "grpc" /** Absent: cleartext h2 (prior knowledge). */; readonly trust?: Trust }
  | {
      readonly probe: "dns" /** The name asked of the resolver at host:port. */;
      readonly query: string;
      readonly transport: "udp" | "tcp";
    }
  | {
      readonly probe: "udp" /** Bytes sent; at least 6, for Omni's TUN drops inner packets under 54 bytes. */;
      readonly payloadBytes: number;
      /**
       * True for a port known to be closed, as inside the tunnel: the port-unreachable is the answer, and its absence a loss.
       * Asked at most once a second for all targets of a host together, for ICMP errors are limited (RFC 4443 §2.4 f).
       */
      readonly expectRefusal: boolean;
    }
  | {
      readonly probe: "stamp" /** RFC 8762 authenticated mode, with the agent's own key; the key is never in a plan. */;
      readonly authenticated: boolean;
    }
  /** The tunnel's own interface: its counters are read, and nothing is sent. `host` is {@link TUNNEL_LINK}, `port` 0. */
  | { readonly probe: "link" }
  | {
      readonly probe: "mtu" /** As for stamp. */;
      readonly authenticated: boolean;
      /** Size of an IP packet that must pass, header included, 576–9,000, on IPv6 1,280 at least: 1,340 on IPv4 and 1,360 on IPv6 for SideroLink. */
      readonly requiredBytes: number;
    };

/** The `host` of a link target: whichever of the two interfaces Talos has (siderolink, siderolinktun). */
export const TUNNEL_LINK = "siderolink";

/** An HTTP proxy that an attempt goes through by CONNECT (RFC 9110 §9.3.6). Credentials are the agent's own, never here (S1). */
export interface ProxyEndpoint {
  readonly host: string;
  /** 1–65535. */
  readonly port: number;
}

/** One thing to measure from one node. */
export interface Target {
  /** Stable across plans and restarts: {@link targetId} of the other fields. */
  readonly id: string;
  /** The catalogue row it was resolved from. */
  readonly requirementId: string;
  /** Host name or address literal; IPv6 literals without brackets. */
  readonly host: string;
  /** 1–65535; 0 for a link. */
  readonly port: number;
  /** Only for tls, http and grpc. Absent: direct. With it, `family` is that of the connection to the proxy. */
  readonly proxy?: ProxyEndpoint;
  readonly family: IpFamily;
  readonly options: ProbeOptions;
  /** Time between attempts in ms, 100–3,600,000. */
  readonly cadenceMs: number;
  /** Loss threshold in ms, 10–60,000: no answer by then is loss (RFC 7680 §2). TCP: under 1,000, so one SYN is one sample. */
  readonly timeoutMs: number;
}

/** The stable identity of a target: requirement, probe, endpoint and family, in the form people read. */
export function targetId(
  target: Pick<Target, "requirementId" | "host" | "port" | "family" | "options" | "proxy">,
): string {
  const { requirementId, family, options, proxy } = target;
  const via = proxy === undefined ? "" : `|via ${endpointName(proxy.host, proxy.port)}`;
  return `${requirementId}|${options.probe}|${targetPlace(target)}${detailOf(options)}|ipv${family}${via}`;
}

/** The requirement that a target's id names: what stands before its first bar, which no requirement's id holds. */
export function requirementIdOf(targetId: string): string {
  return targetId.split("|", 1)[0] ?? targetId;
}

/** What tells two targets of one row at one endpoint apart: a path, a name that is asked, a size; empty where nothing is needed. */
export function detailOf(options: ProbeOptions): string {
  if (options.probe === "http") return options.expect.path;
  if (options.probe === "dns") return `/${options.query}`;
  // Small and large datagrams to one closed port are compared.
  return options.probe === "udp" && options.expectRefusal ? `/${options.payloadBytes}` : "";
}

/** Where a target is, as people write it: `host:port`, or the interface alone for a link, which has no port. */
export function targetPlace({ host, port }: Pick<Target, "host" | "port">): string {
  return port === 0 ? host : endpointName(host, port);
}

/** `host:port`, IPv6 literals in brackets. */
export function endpointName(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
