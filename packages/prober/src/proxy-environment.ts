/**
 * HTTPS_PROXY, HTTP_PROXY and NO_PROXY, as Talos passes them to its services. Upper case wins over lower case, and an
 * empty variable counts as unset (golang.org/x/net/http/httpproxy, which Talos's own clients use).
 *
 * Credentials stay in this process and go to the proxy they were written for. No warning holds any part of a value
 * (S1).
 */
import { isIP } from "node:net";
import { endpointName, type ProxyEndpoint } from "@lifeline/measure";

/** Most entries of NO_PROXY kept: more than a list written by hand has. */
export const NO_PROXY_MAX = 64;

/** Longest entry: a DNS name, or a prefix. */
const ENTRY_MAX_LENGTH = 253;

/** The port of an http:// URL that names none (RFC 9110 §4.2.1). */
const HTTP_PORT = 80;

const WANTED = "want http://[user:pass@]host:port";

/** HTTPS_PROXY, HTTP_PROXY and NO_PROXY. */
export interface NodeProxy {
  readonly https?: ProxyEndpoint;
  readonly http?: ProxyEndpoint;
  /** Entries as written, in order. */
  readonly noProxy: readonly string[];
}

/** The proxies that an environment configures. */
export interface ProxyEnvironment {
  /** Undefined when neither HTTPS_PROXY nor HTTP_PROXY names a usable proxy. */
  readonly proxy: NodeProxy | undefined;
  /** Value of Proxy-Authorization for a proxy (host:port); undefined: its variable has no credentials. A secret. */
  readonly authorization: (proxy: string) => string | undefined;
  /** What could not be used. Each names the variable, and never its value. */
  readonly warnings: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the proxies of an environment. What cannot be used is left out, with a warning. */
export function readProxyEnvironment(environment: Environment): ProxyEnvironment {
  const warnings: string[] = [];
  const secrets = new Map<string, string>();
  const read = (name: string): ProxyEndpoint | undefined => {
    const given = variable(environment, name);
    if (given === undefined) return undefined;
    const proxy = proxyOf(given.text);
    if (typeof proxy === "string") {
      warnings.push(`${given.name}: ${proxy}; it is ignored`);
      return undefined;
    }
    const { authorization, ...endpoint } = proxy;
    const key = endpointName(endpoint.host, endpoint.port);
    // HTTPS_PROXY is read first, and it is the proxy that probes use.
    if (authorization !== undefined && !secrets.has(key)) secrets.set(key, authorization);
    return endpoint;
  };
  const https = read("HTTPS_PROXY");
  const http = read("HTTP_PROXY");
  const noProxy = readNoProxy(environment, warnings);
  const proxy =
    https === undefined && http === undefined
      ? undefined
      : { ...(https === undefined ? {} : { https }), ...(http === undefined ? {} : { http }), noProxy };
  return { proxy, authorization: (name) => secrets.get(name), warnings };
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

/** A proxy, or the fault of its URL. The text holds no part of the URL. */
function proxyOf(text: string): (ProxyEndpoint & { readonly authorization: string | undefined }) | string {
  const url = URL.parse(text.includes("://") ? text : `http://${text}`);
  if (url === null) return `not a URL; ${WANTED}`;
  if (url.protocol === "https:") return `a proxy that is reached by TLS (https://) is not supported; ${WANTED}`;
  if (url.protocol !== "http:") return `not an http:// URL; ${WANTED}`;
  if (!["", "/"].includes(url.pathname) || url.search !== "" || url.hash !== "")
    return `more than host and port; ${WANTED}`;
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  if (isIP(host) === 0 && !/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?$/i.test(host))
    return `not a host name or address; ${WANTED}`;
  const port = url.port === "" ? HTTP_PORT : Number(url.port);
  if (port === 0) return `port 0; ${WANTED}`;
  const authorization = basicOf(url);
  return authorization === "malformed"
    ? `user or password with a broken % escape; ${WANTED}`
    : { host, port, authorization };
}

/** The Basic credentials of a URL (RFC 7617 §2); undefined when it has none. */
function basicOf({ username, password }: URL): string | undefined {
  if (username === "" && password === "") return undefined;
  try {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    return `Basic ${Buffer.from(pair).toString("base64")}`;
  } catch {
    return "malformed";
  }
}
