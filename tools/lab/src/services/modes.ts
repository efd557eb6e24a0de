/**
 * The faults that the lab's services inject, per service and per client address.
 *
 * The table below is the closed list: what a mode does on the wire stands beside its name. Pure.
 */
import { isIP } from "node:net";
import { LabError } from "../lab-error.ts";
import { shown } from "../listener-fault.ts";

/** What a DNS server can do to a question (RFC 1035 §4.1.1 for the codes). */
const DNS_MODES = {
  ok: "answers from the zone; names outside it do not exist",
  nxdomain: "says that the name does not exist (RCODE 3)",
  servfail: "says that it failed (RCODE 2)",
  refused: "refuses the query (RCODE 5)",
  silent: "takes the query and never answers",
  nodata: "says that the name exists and has no address of the family asked for",
  garbage: "answers with the query's id and bytes that are no DNS message",
  drift: "answers with the drift addresses instead of the zone's",
  truncate: "answers over UDP without records and with the TC bit, so that the client asks again over TCP",
} as const;

/** Modes of a TLS service: faults of the connection, of the certificate, and of the protocol above TLS. */
const TLS_MODES = {
  ok: "answers as it should, with a certificate of the lab's public root through its intermediate (ECDSA P-256)",
  rsa: "answers as it should, with an RSA certificate of the same CAs",
  untrusted: "presents a certificate of a private CA that clients do not trust",
  intercepted: "presents a certificate made on the fly by the lab's copy of an interception product",
  expired: "presents a certificate that ended a day ago",
  "not-yet-valid": "presents a certificate that begins in a day",
  "wrong-name": "presents a good certificate for another name",
  "missing-intermediate": "sends the leaf alone, although root → intermediate → leaf is the chain",
  "html-200": "a reverse proxy without gRPC: agrees to h2 and answers everything with 200 and a page",
  "html-415": "a reverse proxy without gRPC: answers everything with 415 and a page",
  "html-502": "a reverse proxy whose server is gone: answers everything with 502 and a page",
  "grpc-unavailable": "a gRPC proxy without a live upstream: answers everything with gRPC status 14",
  "http1-only": "a reverse proxy without HTTP/2: agrees to http/1.1 alone, and ends h2-only handshakes with an alert",
  "http-503": "answers everything with 503, as an overloaded server does",
  redirect: "a captive portal: answers everything with 302 to another host",
  "block-page": "a block page: answers everything with 403 and a page",
  "captive-page": "a captive portal: answers everything with 200 and a log-in page",
  "http-404": "a server that is no registry: answers everything with 404 and a page",
  "http-429": "answers everything with 429, and wants an hour of peace",
  "token-elsewhere": "a registry that wants a token of a host that no document names",
  moved: "a registry that redirects from every object to its blob host",
  reset: "accepts and resets",
  close: "reads a ClientHello and closes",
  "alert-40": "answers a ClientHello with the alert handshake_failure",
  "alert-49": "answers a ClientHello with the alert access_denied",
  "alert-112": "answers a ClientHello with the alert unrecognized_name",
  "plain-http": "answers a ClientHello with a page in plain HTTP",
  tls12: "agrees to TLS 1.2 at most",
  stall: "accepts and says nothing",
  "tls-stall": "answers a ClientHello with the first bytes of a record, then says nothing",
  "request-stall": "completes TLS, then never answers a request",
} as const;

/** What the middlebox can do to the traffic that a path fault leads to it. */
const MIDDLEBOX_MODES = {
  intercept: "ends TLS with a certificate of the interception CA and passes the plaintext on to the true server",
  pass: "passes the connection on untouched, TLS and all",
  reset: "resets once the ClientHello has been read",
  stall: "reads and says nothing",
} as const;

/** What the HTTP CONNECT proxy can do (RFC 9110 §9.3.6). */
const PROXY_MODES = {
  ok: "connects to the lab's services, and to nothing else (403)",
  forbidden: "answers every CONNECT with 403",
  "auth-required": "answers 407 unless the configured user and password are given",
  "bad-gateway": "answers every CONNECT with 502",
  stall: "accepts and says nothing",
  reset: "accepts and resets",
  down: "the listener is closed: for all clients at once only",
} as const;

/** Every service's modes with their meaning; the first mode of each is what it does untouched. */
export const MODES = {
  dns: DNS_MODES,
  /** Omni's names on the web listeners. */
  api: TLS_MODES,
  /** The public hosts' names on the web listeners. */
  public: TLS_MODES,
  "machine-api": TLS_MODES,
  middlebox: MIDDLEBOX_MODES,
  proxy: PROXY_MODES,
} as const satisfies Record<string, Readonly<Record<string, string>>>;

export type ServiceName = keyof typeof MODES;
export type ServiceMode<Service extends ServiceName = ServiceName> = Service extends ServiceName
  ? keyof (typeof MODES)[Service] & string
  : never;
export type TlsServiceName = "api" | "public" | "machine-api";
export type TlsMode = ServiceMode<"api">;

export const SERVICE_NAMES = Object.keys(MODES) as ServiceName[];

/** The mode of each service for a client without a requested mode. */
export const QUIET_MODES = {
  dns: "ok",
  api: "ok",
  public: "ok",
  "machine-api": "ok",
  middlebox: "intercept",
  proxy: "ok",
} as const satisfies { readonly [Service in ServiceName]: ServiceMode<Service> };

/** Stands for every client that has no mode of its own. */
export const EVERY_CLIENT = "*";

/** Names one mode may be limited to. */
export const NAMES_MAX = 16;

/** One request to change what a service does to a client. */
export interface ModeRequest {
  /** IP literal, or {@link EVERY_CLIENT}. */
  readonly client: string;
  readonly service: ServiceName;
  readonly mode: ServiceMode;
  /** Names, in the query or in SNI, that the mode is limited to; default all. For dns and the TLS services only. */
  readonly names?: readonly string[];
}

const REQUEST_KEYS = ["client", "service", "mode", "names"];
const EXPECTED_REQUEST = '{"client": …, "service": …, "mode": …, "names": [… (optional)]}';

/** Reads a parsed JSON request. Throws `bad-input` naming the field, its value and what would be right. */
export function readModeRequest(value: unknown): ModeRequest {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new LabError("bad-input", `request: ${shown(value)} is not an object; expected ${EXPECTED_REQUEST}`);
  }
  const unknownKey = Object.keys(value).find((key) => !REQUEST_KEYS.includes(key));
  if (unknownKey !== undefined) {
    throw new LabError("bad-input", `${shown(unknownKey)}: unknown key; expected ${REQUEST_KEYS.join(", ")}`);
  }
  const fields = new Map<string, unknown>(Object.entries(value));
  const service = readWord("service", SERVICE_NAMES, fields.get("service"));
  const client = readClient(fields.get("client"));
  const mode = readWord("mode", Object.keys(MODES[service]) as ServiceMode[], fields.get("mode"));
  if (mode === "down" && client !== EVERY_CLIENT) {
    throw new LabError("bad-input", `client: ${shown(client)}: a listener closes for all; expected "*" with mode down`);
  }
  const names = readNames(service, fields.get("names"));
  return names === undefined ? { client, service, mode } : { client, service, mode, names };
}

function readClient(value: unknown): string {
  if (value === EVERY_CLIENT || (typeof value === "string" && isIP(value) !== 0)) return value;
  const problem = value === undefined ? "missing" : `${shown(value)} is not one`;
  throw new LabError("bad-input", `client: ${problem}; expected an IP address, or "*" for every client`);
}

function readNames(service: ServiceName, value: unknown): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (service === "middlebox" || service === "proxy") {
    throw new LabError("bad-input", `names: not for ${service}; expected none`);
  }
  const names = Array.isArray(value) ? (value as unknown[]) : [];
  if (names.length === 0 || names.length > NAMES_MAX || !names.every((name) => typeof name === "string")) {
    throw new LabError("bad-input", `names: ${shown(value)}; expected 1 to ${NAMES_MAX} names`);
  }
  return names as string[];
}

function readWord<const Word extends string>(field: string, words: readonly Word[], value: unknown): Word {
  const found = words.find((word) => word === value);
  if (found !== undefined) return found;
  const problem = value === undefined ? "missing" : `${shown(value)} is not one`;
  throw new LabError("bad-input", `${field}: ${problem}; expected one of ${words.join(", ")}`);
}
