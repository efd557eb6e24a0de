/**
 * TLS that is cut after the connection is made. Nobody on the path needs to read a ClientHello, but filters do: they
 * find the host's name there (SNI).
 *
 * 1. A public host that others reach speaks TLS. What cuts it is on the path.
 * 2. The site's own host may be behind a reverse proxy that is wrong. Both readings are named.
 */
import { endpointName, type Reason, targetPlace } from "@lifeline/measure";
import { type Entry, isAnswering, isAt } from "../entry.ts";
import { alertPhrase } from "../phrase.ts";
import { operatorOf } from "./certificate-owner.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { declaredIn } from "./declared-inspection.ts";

/** The ends of a handshake that a server of TLS does not cause. */
const CUTS: readonly Reason[] = [
  "reset",
  "handshake-timeout",
  "tls-alert",
  "tls-plaintext",
  "tls-protocol",
  "alpn-mismatch",
];

/** Names a filter on the path where TLS to a public host is cut, and who else may be the cause at an own host. */
export function withTlsFilter(entry: Entry, entries: readonly Entry[], { site }: CorrelationContext): Entry {
  const { seen, reason } = entry.own;
  // The alert of TLS 1.3 for a missing client certificate comes after the handshake.
  if (entry.verdict !== "unmet" || (seen?.phase !== "tls" && reason !== "tls-alert")) return entry;
  if (entry.thirdParty && entry.cause === "tls-name") {
    const isInspected = declaredIn(seen?.evidence.chain ?? [], site) !== undefined;
    return isInspected ? entry : { ...entry, nextStep: otherServerStep(entry) };
  }
  // Omni as SaaS may hang like any other, which the tunnel shows.
  const isOmni = isAt(entry, "api") || isAt(entry, "machine-api");
  if (!CUTS.includes(reason) || (isOmni && reason === "handshake-timeout")) return entry;
  return entry.thirdParty ? filtered(entry, entries) : cutAtOwnHost(entry, entries);
}

function filtered(entry: Entry, entries: readonly Entry[]): Entry {
  const { host, proxy } = entry.target;
  const where = targetPlace(entry.target);
  const via = proxy === undefined ? undefined : endpointName(proxy.host, proxy.port);
  const passing = entries.filter((other) => other.thirdParty && passesBeside(other, entry));
  const here = passing.filter((other) => addressOf(other) !== undefined && addressOf(other) === addressOf(entry));
  const team = via === undefined ? "Network team" : `Owner of the HTTP proxy ${via}; network team`;
  const seen = `The connection is made, and something on the path ${deedOf(entry)} after the TLS ClientHello for ${host}.`;
  const [nearest] = here;
  if (nearest !== undefined) {
    return {
      ...entry,
      cause: "tls-filtered",
      evidence: `${entry.evidence} ${seen} TLS for ${namesOf(here)} passes at the same address ${addressOf(nearest)}: a filter acts by the server name (SNI).`,
      nextStep: `${team}: exempt ${host} from the filter on the path that acts by TLS server name (SNI).`,
    };
  }
  if (passing.length > 0) {
    return {
      ...entry,
      cause: "tls-filtered",
      evidence: `${entry.evidence} ${seen} TLS to ${namesOf(passing)} passes: a filter acts by the server name (SNI) or the address, or ${host} itself fails.`,
      nextStep: `${team}: look for a filter on the path that acts by TLS server name (SNI) or address, and exempt ${where}; if ${host} fails from other networks too, wait for its owner.`,
    };
  }
  const narrow = entry.own.reason === "handshake-timeout" ? ", or a path MTU below 1,360 bytes" : "";
  return {
    ...entry,
    cause: "tls-filtered",
    evidence: `${entry.evidence} ${seen} TLS to no other public host is seen to pass.`,
    nextStep: `${team}: look for a filter on the path that cuts TLS to ${where}${narrow}, and exempt this node.`,
  };
}

/** Whether TLS to another host passes the same way. */
function passesBeside(other: Entry, { target }: Entry): boolean {
  const { host, family, proxy, options } = other.target;
  const isTls = "trust" in options && options.trust !== undefined;
  const isSameWay = family === target.family && (proxy === undefined) === (target.proxy === undefined);
  return isTls && isSameWay && host !== target.host && isAnswering(other);
}

/** Where the endpoint was reached. Through a proxy the address is the proxy's and says nothing. */
function addressOf({ own, target }: Entry): string | undefined {
  const address = own.seen?.evidence.address;
  return address === undefined || target.proxy !== undefined ? undefined : endpointName(address, target.port);
}

/** Names of at most three hosts. */
function namesOf(entries: readonly Entry[]): string {
  return [...new Set(entries.map(({ target }) => target.host))].sort().slice(0, 3).join(", ");
}

function deedOf({ own: { reason, seen } }: Entry): string {
  const alert = seen?.evidence.tlsAlert;
  if (alert !== undefined) return `sends the TLS alert ${alertPhrase(alert)}`;
  if (reason === "reset") return seen?.evidence.code === "EOF" ? "closes it (FIN)" : "resets it (RST)";
  if (reason === "handshake-timeout") return "passes nothing more on";
  return reason === "tls-plaintext" ? "answers in plain text, such as HTTP" : "answers with TLS that cannot be used";
}

function otherServerStep({ target, own }: Entry): string {
  const address = own.seen?.evidence.address;
  const at = address === undefined ? "" : ` at ${address}`;
  return `Network team: something other than ${target.host} answers${at}; look for a block page, a filter on the path, or a resolver that leads there.`;
}

/** What an alert of a reverse proxy mostly means, by RFC 8446 §6.2. */
const ALERT_HINTS: Readonly<Record<number, string>> = {
  42: "; it may want a client certificate",
  70: "; it may lack TLS 1.2 and 1.3",
  112: "; it has no site of that name",
  116: "; it wants a client certificate",
  120: "; it must pass HTTP/2",
};

function cutAtOwnHost(entry: Entry, entries: readonly Entry[]): Entry {
  const { reason, seen } = entry.own;
  const where = targetPlace(entry.target);
  const owner = operatorOf(entry);
  const here = entries.filter((other) => passesBeside(other, entry) && addressOf(other) === addressOf(entry));
  const beside = here.length === 0 ? "" : ` TLS for ${namesOf(here)} passes at the same address.`;
  const evidence = `${entry.evidence}${beside}`;
  const filter = "network team: or look for a filter on the path, if TLS passes from another network";
  if (reason === "tls-plaintext") {
    const cleartext = isAt(entry, "machine-api")
      ? `; deployment owner: or write grpc://${where}, if it is cleartext gRPC on purpose`
      : "";
    return {
      ...entry,
      evidence,
      nextStep: `${owner}: serve TLS at ${where}, where something else answers${cleartext}; ${filter}.`,
    };
  }
  const alert = seen?.evidence.tlsAlert;
  if (alert !== undefined) {
    const hint = ALERT_HINTS[alert] ?? "";
    const nextStep = `${owner}: check the reverse proxy in front of ${where}, which may have sent the TLS alert ${alertPhrase(alert)}${hint}; ${filter}.`;
    return { ...entry, evidence, nextStep };
  }
  if (reason !== "tls-protocol" && reason !== "alpn-mismatch") return { ...entry, evidence };
  const nextStep = `${owner}: check the reverse proxy in front of ${where}; it must pass TLS 1.2 or 1.3 and HTTP/2; ${filter}.`;
  return { ...entry, evidence, nextStep };
}
