/** The path through the proxy, compared with the direct path. */
import { endpointName, type ProxyEndpoint, proxyName } from "@lifeline/measure";
import { type Entry, isAnswering, isFailing } from "../entry.ts";

/** Codes of a proxy whose name cannot be resolved. */
const NAME_CODES: readonly string[] = ["ENOTFOUND", "ENODATA"];

/** Whether something answers at the proxy's port that is no proxy of this kind. */
const isOtherProtocol = (code: string) =>
  code === "PROXY_HEAD_MALFORMED" || code === "PROXY_SPEAKS_TLS" || /^ERR_(SSL|TLS)_/.test(code);

/** RFC 9110 §15.5.1: what web servers with TLS answer to a request in cleartext. */
const BAD_REQUEST = 400;

/**
 * A proxy that was reached, and ended the connection or answered 400. TLS servers do both to CONNECT in cleartext
 * (OpenSSL closes, Go's net/http answers 400), and servers in cleartext to a TLS ClientHello.
 */
function withSchemeInDoubt(entry: Entry, proxy: ProxyEndpoint): Entry {
  const name = proxyName(proxy);
  const did = entry.own.reason === "proxy-refused" ? "answers 400" : "ends the connection without an answer";
  const evidence = `${entry.evidence} ${name} can be reached, and ${did}: it may speak another protocol.`;
  const scheme =
    (proxy.scheme ?? "http") === "http" ? "https:// where it speaks TLS" : "http:// where it speaks no TLS";
  const nextStep = `Node owner: check scheme and port of the proxy ${name} in HTTPS_PROXY, ${scheme}; deployment owner: and in egress.httpProxy; owner of the proxy: or read its log.`;
  return { ...entry, evidence, nextStep };
}

/** Says of a proxy that could not be used whether its name or its kind is wrong: the variable says both. */
function withProxyFault(entry: Entry): Entry {
  const { target, own } = entry;
  const { code = "", proxyStatus } = own.seen?.evidence ?? {};
  if (target.proxy === undefined || !isFailing(entry)) return entry;
  const name = proxyName(target.proxy);
  if (own.reason === "proxy-refused" && proxyStatus === BAD_REQUEST) return withSchemeInDoubt(entry, target.proxy);
  if (own.reason !== "proxy-unreachable") return entry;
  if (["ECONNRESET", "EPIPE"].includes(code)) return withSchemeInDoubt(entry, target.proxy);
  if (NAME_CODES.includes(code)) {
    const nextStep = `Node owner: check the spelling of ${target.proxy.host} in HTTPS_PROXY; deployment owner: and in egress.httpProxy.`;
    return { ...entry, evidence: `${entry.evidence} The name of the proxy does not resolve.`, nextStep };
  }
  if (!isOtherProtocol(code)) return entry;
  const kind = code === "PROXY_SPEAKS_TLS" ? ": it answers TLS, which needs https://" : "";
  const nextStep = `Node owner: check scheme and port of the proxy ${name} in HTTPS_PROXY${kind}; deployment owner: and in egress.httpProxy.`;
  return { ...entry, evidence: `${entry.evidence} ${name} answers, and not as a proxy of this kind.`, nextStep };
}

/** Codes of a proxy that took the connection and ended it when it was asked. */
const ENDED_CODES: readonly string[] = [
  "ECONNRESET",
  "EPIPE",
  "PROXY_SPEAKS_TLS",
  "PROXY_HEAD_MALFORMED",
  "PROXY_HEAD_OVERFLOW",
];

/** Whether a proxy that was asked by CONNECT in cleartext is reachable, and does not understand that. */
function isNotUnderstood(entry: Entry, entries: readonly Entry[]): boolean {
  const { own, target } = entry;
  if (target.proxy?.cleartextConnect === undefined || !isFailing(entry)) return false;
  const { code = "", proxyStatus } = own.seen?.evidence ?? {};
  if (own.reason === "proxy-refused") return proxyStatus === BAD_REQUEST;
  if (own.reason !== "proxy-unreachable") return false;
  const name = proxyName(target.proxy);
  const works = ({ target: { proxy } }: Entry) =>
    proxy !== undefined && proxy.cleartextConnect === undefined && proxyName(proxy) === name;
  return ENDED_CODES.includes(code) || entries.some((other) => works(other) && isAnswering(other));
}

/** Names the kinds of proxy that help, where the service's own client asks this one in cleartext. */
function withUnsupportedKind(entry: Entry, proxy: ProxyEndpoint): Entry {
  const evidence = `${entry.evidence} ${proxyName(proxy)} takes the connection, and does not understand CONNECT in cleartext.`;
  const kinds = (entry.requirement.proxyKinds ?? []).map(({ scheme, since }) => {
    return since === undefined ? `${scheme}://` : `${scheme}:// (Talos ${since} or later)`;
  });
  const nextStep = `Node owner: name a proxy of ${kinds.join(", ")} in HTTPS_PROXY, because Talos supports no other kind for ${entry.target.host}; or list it in NO_PROXY where the node reaches it directly.`;
  return { ...entry, cause: "proxy", evidence, nextStep };
}

/** Blames the proxy where the direct path to the same endpoint works. */
export function withProxyPath(entry: Entry, entries: readonly Entry[]): Entry {
  const { proxy } = entry.target;
  if (proxy === undefined) return entry;
  if (isNotUnderstood(entry, entries)) return withUnsupportedKind(entry, proxy);
  const faulty = withProxyFault(entry);
  if (faulty !== entry) return faulty;
  const direct = entries.filter((other) => isDirectOf(other, entry));
  const name = proxyName(proxy);
  if (isFailing(entry) && direct.some(isAnswering)) {
    const evidence = `${entry.evidence} The same endpoint answers without the proxy ${name}: the proxy is at fault.`;
    const where = endpointName(entry.target.host, entry.target.port);
    const nextStep = `Owner of the HTTP proxy ${name}: pass CONNECT to ${where} unchanged.`;
    return { ...entry, cause: "proxy", evidence, nextStep };
  }
  if (isAnswering(entry) && direct.length > 0 && direct.every(isFailing)) {
    return { ...entry, evidence: `${entry.evidence} Only the path through the proxy ${name} is open.` };
  }
  return entry;
}

function isDirectOf({ target: other }: Entry, { target }: Entry): boolean {
  return (
    other.proxy === undefined &&
    other.requirementId === target.requirementId &&
    other.host === target.host &&
    other.port === target.port &&
    other.options.probe === target.options.probe
  );
}
