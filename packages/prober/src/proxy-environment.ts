/**
 * HTTPS_PROXY, HTTP_PROXY and NO_PROXY, as Talos passes them to its services. Upper case wins over lower case, and an
 * empty variable counts as unset (golang.org/x/net/http/httpproxy, which Talos's own clients use).
 *
 * Credentials stay in this process and go to the proxy they were written for. No warning holds any part of a value
 * (S1).
 */
import { isIP } from "node:net";
import { PROXY_SCHEMES, type ProxyEndpoint, type ProxyScheme, proxyName } from "@lifeline/measure";
import type { ProxyCredentials } from "@lifeline/probe";

/** Most entries of NO_PROXY kept: more than a list written by hand has. */
export const NO_PROXY_MAX = 64;

/** Longest entry: a DNS name, or a prefix. */
const ENTRY_MAX_LENGTH = 253;

/** The port of a proxy's URL that names none: those of Go's net/http (transport.go, portMap). */
const DEFAULT_PORTS: Readonly<Record<ProxyScheme, number>> = { http: 80, https: 443, socks5: 1080, socks5h: 1080 };

const WANTED = `want ${PROXY_SCHEMES.join(", ").replace(/, (?=\w+$)/, " or ")}://[user:pass@]host:port`;

/** HTTPS_PROXY, HTTP_PROXY and NO_PROXY. */
export interface NodeProxy {
  readonly https?: ProxyEndpoint;
  /** Why the proxy that HTTPS_PROXY names cannot be used. It holds no part of the value but its scheme (S1). */
  readonly httpsFault?: string;
  /** Whether the URL of HTTPS_PROXY names no port, so that `https` has the default one. Absent: it names one. */
  readonly httpsLacksPort?: true;
  readonly http?: ProxyEndpoint;
  /** Entries as written, in order. */
  readonly noProxy: readonly string[];
}

/** The proxies that an environment configures. */
export interface ProxyEnvironment {
  /** Undefined when HTTPS_PROXY and HTTP_PROXY are not set, and when only the latter is and cannot be used. */
  readonly proxy: NodeProxy | undefined;
  /** Credentials for a proxy, by its proxyName; undefined: its variable has none. A secret. */
  readonly credentials: (proxy: string) => ProxyCredentials | undefined;
  /** What could not be used. Each names the variable, and never its value. */
  readonly warnings: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the proxies of an environment. What cannot be used is left out, with a warning. */
export function readProxyEnvironment(environment: Environment): ProxyEnvironment {
  const warnings: string[] = [];
  const secrets = new Map<string, ProxyCredentials>();
  const faults = new Map<string, string>();
  const read = (name: string): ProxyEndpoint | undefined => {
    const given = variable(environment, name);
    if (given === undefined) return undefined;
    const proxy = proxyOf(given.text);
    if (typeof proxy === "string") {
      warnings.push(`${given.name}: ${proxy}; ${WANTED}`);
      faults.set(name, `${given.name}: ${proxy}`);
      return undefined;
    }
    const { credentials, ...endpoint } = proxy;
    const key = proxyName(endpoint);
    // HTTPS_PROXY is read first, and it is the proxy that probes use.
    if (credentials !== undefined && !secrets.has(key)) secrets.set(key, credentials);
    return endpoint;
  };
  const https = read("HTTPS_PROXY");
  const http = read("HTTP_PROXY");
  const httpsFault = faults.get("HTTPS_PROXY");
  const noProxy = readNoProxy(environment, warnings);
  const isSet = https !== undefined || http !== undefined || httpsFault !== undefined;
  const httpsLacksPort = https !== undefined && lacksPort(variable(environment, "HTTPS_PROXY")?.text ?? "");
  const unnamed = httpsLacksPort ? ({ httpsLacksPort } as const) : {};
  const proxy = isSet ? { ...given({ https, httpsFault, http }), ...unnamed, noProxy } : undefined;
  return { proxy, credentials: (name) => secrets.get(name), warnings };
}

/** The fields that are not undefined. */
function given<T extends object>(fields: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [Key in keyof T]?: Exclude<T[Key], undefined> };
}

function variable(
  environment: Environment,
  name: string,
): { readonly name: string; readonly text: string } | undefined {
  for (const candidate of [name, name.toLowerCase()]) {
    const text = environment[candidate];
    if (text !== undefined && text !== "") return { name: candidate, text };
  }
  return undefined;
}

function readNoProxy(environment: Environment, warnings: string[]): string[] {
  const given = variable(environment, "NO_PROXY");
  const written = (given?.text ?? "").split(/[\s,]+/).filter((entry) => entry !== "");
  const usable = written.filter((entry) => entry.length <= ENTRY_MAX_LENGTH && /^[\x21-\x7e]+$/.test(entry));
  const kept = usable.slice(0, NO_PROXY_MAX);
  if (kept.length < written.length) {
    const left = written.length - kept.length;
    const want = `want at most ${NO_PROXY_MAX}, each of 1 to ${ENTRY_MAX_LENGTH} ASCII characters`;
    warnings.push(`${given?.name}: ${left} of ${written.length} entries are ignored; ${want}`);
  }
  return kept;
}

/** Whether a proxy's URL, which has no path, names no port. */
function lacksPort(text: string): boolean {
  return !/:\d+\/?$/.test(text);
}

/** A proxy, or the fault of its URL. The text holds no part of the URL but a scheme. */
function proxyOf(text: string): (ProxyEndpoint & { readonly credentials: ProxyCredentials | undefined }) | string {
  const url = URL.parse(text.includes("://") ? text : `http://${text}`);
  if (url === null) return "not a URL";
  const scheme = PROXY_SCHEMES.find((one) => `${one}:` === url.protocol);
  if (scheme === undefined) return unsupported(url.protocol.slice(0, -1));
  if (!["", "/"].includes(url.pathname) || url.search !== "" || url.hash !== "") return "more than host and port";
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  if (isIP(host) === 0 && !/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?$/i.test(host)) return "not a host name or address";
  const port = url.port === "" ? DEFAULT_PORTS[scheme] : Number(url.port);
  if (port === 0) return "port 0";
  const credentials = credentialsOf(url);
  if (credentials === "malformed") return "user or password with a broken % escape";
  return { ...(scheme === "http" ? {} : { scheme }), host, port, credentials };
}

/** Schemes that are shown. Another text before :// may be part of a secret (S1). */
const KNOWN_SCHEMES: readonly string[] = ["socks", "socks4", "socks4a", "ftp", "ws", "wss", "ssh", "h2", "quic"];

function unsupported(scheme: string): string {
  const kind = KNOWN_SCHEMES.includes(scheme) ? `the kind ${scheme}://` : "an unknown kind";
  return `a proxy of ${kind} is not supported`;
}

/** The credentials of a URL; undefined when it has none. */
function credentialsOf({ username, password }: URL): ProxyCredentials | "malformed" | undefined {
  if (username === "" && password === "") return undefined;
  try {
    return { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  } catch {
    return "malformed";
  }
}
