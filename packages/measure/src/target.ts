/** What to measure: one address family, one port, one protocol. IPv4 and IPv6 are two targets (M1). */

/** The protocols a probe speaks; one file of `probe` each. */
export const PROBE_KINDS = ["dns", "tcp", "tls", "http", "grpc", "udp", "stamp"] as const;
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
    }
  | { readonly probe: "stamp" };

/** One thing to measure from one node. */
export interface Target {
  /** Stable across plans and restarts: {@link targetId} of the other fields. */
  readonly id: string;
  /** The catalogue row it was resolved from. */
  readonly requirementId: string;
  /** Host name or address literal; IPv6 literals without brackets. */
  readonly host: string;
  /** 1–65535. */
  readonly port: number;
  readonly family: IpFamily;
  readonly options: ProbeOptions;
  /** Time between attempts in ms, 100–3,600,000. */
  readonly cadenceMs: number;
  /** Loss threshold in ms, 10–60,000: no answer by then is loss (RFC 7680 §2). TCP: under 1,000, so one SYN is one sample. */
  readonly timeoutMs: number;
}

/** The stable identity of a target: requirement, probe, endpoint and family, in the form people read. */
export function targetId(target: Pick<Target, "requirementId" | "host" | "port" | "family" | "options">): string {
  const { requirementId, host, port, family, options } = target;
  const path = options.probe === "http" ? options.expect.path : options.probe === "dns" ? `/${options.query}` : "";
  return `${requirementId}|${options.probe}|${endpointName(host, port)}${path}|ipv${family}`;
}

/** `host:port`, IPv6 literals in brackets. */
export function endpointName(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
