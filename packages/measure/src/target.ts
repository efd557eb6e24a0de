/** What to measure: one address family, one port, one protocol. IPv4 and IPv6 are two targets (M1). */
import type { RedirectScope } from "./address-scope.ts";

/** The protocols a probe speaks; one file of `probe` each. */
export const PROBE_KINDS = [
  "dns",
  "tcp",
  "tls",
  "http",
  "grpc",
  "udp",
  "stamp",
  "link",
  "mtu",
  "ntp",
  "nts",
  "registry",
] as const;
export type ProbeKind = (typeof PROBE_KINDS)[number];

/** Internet Protocol version of a target's address. */
export type IpFamily = 4 | 6;

/** Which CAs a certificate chain may end at. */
export type Trust =
  /** The host's public roots, and `addedCaPem` where the deployment declares a CA of the site. */
  | { readonly kind: "public"; readonly addedCaPem?: string }
  /**
   * The PEM certificates of `caPem`, and those by which the site says that it inspects TLS: `addedCaPem`, and each of
   * the host's own roots whose SHA-256 (lower-case hexadecimal) is in `hostCaSha256`. Other public roots do not count.
   */
  | {
      readonly kind: "private";
      readonly caPem: string;
      readonly addedCaPem?: string;
      readonly hostCaSha256?: readonly string[];
    };

/** What an HTTP answer must look like to count as answered. */
export interface HttpExpectation {
  readonly method: "GET" | "HEAD";
  /** Absolute path with query, `/` first. */
  readonly path: string;
  readonly version: "1.1" | "2";
  /** Accepted status codes; empty: any status below 400. Other statuses are failures, 429 always. */
  readonly statuses: readonly number[];
  /** `empty`: a body is the page of something else. Default: any body. */
  readonly body?: "empty";
}

/** What a container registry must answer. */
export interface RegistryExpectation {
  /** Where the API is: `/v2`, or the path of a mirror. Without a slash at the end. */
  readonly basePath: string;
  /** The image that is asked for, `repository/manifests/reference`. Absent: only whether the API answers. */
  readonly object?: string;
  /** Whether the registry must have the image. A mirror may hold others only. */
  readonly objectRequired: boolean;
  /** The registry that a mirror is asked for. Absent: it is the registry itself. */
  readonly namespace?: string;
  /** Hosts and wildcard domains that may give tokens, and that an answer may redirect to. */
  readonly documentedHosts: readonly string[];
}

/** What a call of an unknown method must answer to prove that a gRPC server has the service. */
export interface GrpcExpectation {
  /** Path of the method, `/service/method`. */
  readonly method: string;
  /** The status. */
  readonly status: number;
  /** The status message. The first `*` stands for any text. */
  readonly message: string;
}

/** Records of DNS that hold addresses: of IPv4 (RFC 1035 §3.4.1) and of IPv6 (RFC 3596 §2.1). */
export const RECORD_TYPES = ["A", "AAAA"] as const;
export type RecordType = (typeof RECORD_TYPES)[number];

/** The records that hold addresses of a family. */
export function recordTypeOf(family: IpFamily): RecordType {
  return family === 4 ? "A" : "AAAA";
}

/** Options of each protocol. */
export type ProbeOptions =
  | {
      readonly probe: "tcp";
      /** Whether a reset from a closed port counts as an answer. True in the tunnel, where it proves the path. */
      readonly acceptReset: boolean;
    }
  | {
      readonly probe: "tls";
      readonly trust: Trust;
      /** ALPN protocols offered. With `alpnRequired` the server must choose the first of them. */
      readonly alpn: readonly string[];
      readonly alpnRequired: boolean;
    }
  | {
      readonly probe: "http";
      /** Absent: cleartext HTTP. */
      readonly trust?: Trust;
      readonly expect: HttpExpectation;
      /** Hosts and wildcard domains that an answer may redirect to. Default: none but the target's own. */
      readonly documentedHosts?: readonly string[];
    }
  | {
      readonly probe: "registry";
      /** Absent: cleartext HTTP. */
      readonly trust?: Trust;
      readonly expect: RegistryExpectation;
    }
  | {
      readonly probe: "grpc";
      /** Absent: cleartext h2 (prior knowledge). */
      readonly trust?: Trust;
      readonly expect: GrpcExpectation;
    }
  | {
      readonly probe: "dns";
      /** The name to query at the resolver host:port. */
      readonly query: string;
      /** The records to query: those of an address family that the node uses. */
      readonly type: RecordType;
      readonly transport: "udp" | "tcp";
    }
  | {
      readonly probe: "udp";
      /** At least 6, because Omni's TUN drops inner packets under 54 bytes. */
      readonly payloadBytes: number;
      /**
       * True for a port that is known to be closed, such as one inside the tunnel: the port-unreachable is the answer,
       * and its absence is a loss. All such targets of a host together send at most one datagram a second, because
       * hosts limit the rate of ICMP errors (RFC 4443 §2.4 f).
       */
      readonly expectRefusal: boolean;
    }
  | {
      readonly probe: "stamp";
      /** RFC 8762 authenticated mode, with the agent's own key. A plan never holds the key. */
      readonly authenticated: boolean;
    }
  /**
   * The tunnel's interface. The probe reads its counters and sends nothing. `host` is {@link TUNNEL_LINK}, `port` 0.
   */
  | { readonly probe: "link" }
  | {
      readonly probe: "mtu";
      /** As for stamp. */
      readonly authenticated: boolean;
      /**
       * Size of the IP packet that must pass, header included, bytes: 576–9,000, on IPv6 at least 1,280. SideroLink
       * needs 1,340 on IPv4 and 1,360 on IPv6.
       */
      readonly requiredBytes: number;
    }
  /** A client request of NTP (RFC 5905). The time server at host:port must answer it. */
  | { readonly probe: "ntp" }
  /**
   * The whole exchange of Network Time Security (RFC 8915): key exchange with host:port over TCP, then a protected
   * request to the time server that the key exchange names, which is `host` on UDP port 123 unless it says otherwise.
   */
  | { readonly probe: "nts"; readonly trust: Trust };

/** The `host` of a link target. It stands for either interface that Talos may have (siderolink, siderolinktun). */
export const TUNNEL_LINK = "siderolink";

/** A target that has just failed is probed at most this many times as often as the plan says, for a while (P1). */
export const BURST_FACTOR_MAX = 4;

/**
 * Kinds of proxy: those of Go's net/http, which Talos uses. `http` and `https` are asked by CONNECT (RFC 9110 §9.3.6),
 * the latter over TLS; `socks5` and `socks5h` alike by name (RFC 1928).
 */
export const PROXY_SCHEMES = ["http", "https", "socks5", "socks5h"] as const;
export type ProxyScheme = (typeof PROXY_SCHEMES)[number];

/** A proxy. Only the agent has its credentials; they are never here (S1). */
export interface ProxyEndpoint {
  /** Absent: http. */
  readonly scheme?: ProxyScheme;
  readonly host: string;
  /** 1–65535. */
  readonly port: number;
  /** For https: where the proxy's own chain must end. Absent: at the public roots. */
  readonly trust?: Trust;
  /**
   * Whether it is asked by CONNECT in cleartext whatever its scheme, because the measured service's own client asks it
   * so. Never with `trust`. Absent: no.
   */
  readonly cleartextConnect?: true;
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
  /**
   * Only for tls, http, grpc and registry; absent: direct. With a proxy, `family` is that of the connection to the
   * proxy.
   */
  readonly proxy?: ProxyEndpoint;
  readonly family: IpFamily;
  /**
   * Whether it is reached through the node's tunnel. Nothing is sent to it by another interface. Never with a proxy.
   * Absent: no.
   */
  readonly inTunnel?: true;
  /** Only for the host of a redirect: which addresses may be asked. Absent: any. */
  readonly redirectScope?: RedirectScope;
  readonly options: ProbeOptions;
  /** Time between attempts in ms, 100–3,600,000. */
  readonly cadenceMs: number;
  /**
   * Loss threshold in ms, 10–60,000: no answer by then is a loss (RFC 7680 §2). TCP: under 1,000, so that one SYN is
   * one sample.
   */
  readonly timeoutMs: number;
}

/** The stable id of a target, readable by people: requirement, probe, endpoint, family and proxy. */
export function targetId(
  target: Pick<Target, "requirementId" | "host" | "port" | "family" | "options" | "proxy">,
): string {
  const { requirementId, family, options, proxy } = target;
  const via = proxy === undefined ? "" : `|via ${proxyName(proxy)}`;
  return `${requirementId}|${options.probe}|${targetPlace(target)}${detailOf(options)}|ipv${family}${via}`;
}

/** The requirement in a target's id: the text before the first bar. Requirement ids hold no bar. */
export function requirementIdOf(targetId: string): string {
  return targetId.split("|", 1)[0] ?? targetId;
}

/** Distinguishes targets of one row at one endpoint: a path, a name and record type, or a size. Empty if not needed. */
export function detailOf(options: ProbeOptions): string {
  if (options.probe === "http") return options.expect.path;
  if (options.probe === "dns") return `/${options.query}/${options.type}`;
  if (options.probe === "registry") return options.expect.basePath;
  // The judge compares small and large datagrams to one closed port.
  return options.probe === "udp" && options.expectRefusal ? `/${options.payloadBytes}` : "";
}

/** Where a target is, for people: `host:port`, or only the interface for a link, which has no port. */
export function targetPlace({ host, port }: Pick<Target, "host" | "port">): string {
  return port === 0 ? host : endpointName(host, port);
}

/** A proxy, for people and as a key: `host:port` of an HTTP proxy, `scheme://host:port` of another one. */
export function proxyName({ scheme = "http", host, port }: ProxyEndpoint): string {
  const name = endpointName(host, port);
  return scheme === "http" ? name : `${scheme}://${name}`;
}

/** `host:port`, IPv6 literals in brackets. */
export function endpointName(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
