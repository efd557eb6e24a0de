/**
 * The listener that strangers can reach: TLS 1.3 and nothing else, client certificates asked for but not demanded.
 *
 * 1. Whoever shows no certificate, or one that cannot be believed, is a stranger: heard, so that it can enrol, renew what has ended, or be
 *    told what is wrong; what it may ask is decided call by call. Strangers are served small messages on few streams.
 * 2. Connections are bounded in all, strangers among them in all, by source and in time, and those under one name by number. Who comes
 *    last is let in, and who has been there longest goes: nobody keeps others out by holding connections (S2).
 * 3. A connection is known by the address and port it comes from, which no two have at once: calls do not tell to which of this host's
 *    addresses it goes, so one that would be taken for another is not let in (S1).
 * 4. Plaintext ends in the handshake. Sessions are not resumed, so each connection proves its key anew.
 */
import { constants, createHash, type X509Certificate } from "node:crypto";
import { createSecureContext, createServer, type SecureContextOptions, type TLSSocket } from "node:tls";
import { type Server as RpcServer, ServerCredentials } from "@grpc/grpc-js";
import type { Clock, Timer } from "@lifeline/measure";
import { mendPeerCertificates, shownCertificate } from "./shown-certificate.ts";

/** How long a TLS handshake may take, ms: three lost segments of a slow link, by RFC 6298's 1, 2 and 4 s. */
export const HANDSHAKE_WITHIN_MS = 10_000;

/** How long a stranger may stay, ms: an enrolment takes two seconds at most. */
export const STRANGER_STAYS_MS = 60_000;

/** Most strangers at once, in all and from one source: a rack behind one address may enrol together. A source is an IPv4 address or an IPv6 /64. */
export const STRANGERS_MAX = 1_024;
export const STRANGERS_PER_SOURCE_MAX = 256;

/**
 * Most connections under one key or token: an agent has two while it renews, and on a network that swallows packets leaves a few behind,
 * each for the eighty seconds until it is missed.
 */
export const CONNECTIONS_PER_NAME_MAX = 8;

/** Connections that may wait to be accepted: Node's 511 costs a reconnecting fleet SYNs that are sent again. The kernel cuts it to somaxconn. */
const BACKLOG = 4_096;

/** The certificate a client has shown, whose key it has proven. */
export interface ClientCertificate {
  /** Empty unless the subject has exactly one. */
  readonly commonName: string;
  readonly organisations: readonly string[];
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hexadecimal. */
  readonly keySha256: string;
  /** As it was shown. */
  readonly der: Uint8Array;
  /** ms since the epoch */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Why it is not to be believed, in OpenSSL's word (CERT_HAS_EXPIRED …); undefined: it is of the listener's authority and in time. */
  readonly problem: string | undefined;
}

/** What a call knows of the connection it came by. */
export interface Connection {
  readonly certificate: ClientCertificate | undefined;
  /** Says that the caller has proven itself otherwise, as whom: it is no stranger any more. */
  vouch(name: string): void;
}

/** What the listener shows of itself, and whose clients it believes. PEM. */
export interface ListenerCertificates {
  readonly certPem: string;
  /** Secret. */
  readonly keyPem: string;
  readonly clientAuthorityPem: string;
}

/** Why a connection was ended before a call. */
export type RefusedConnection =
  | "handshake"
  | "too-many"
  | "too-many-strangers"
  | "too-many-of-name"
  | "stranger-stayed"
  | "same-peer";

/** Who serves: those whose certificate is believed, and all others. May be one server. */
export interface SecureServers {
  readonly trusted: RpcServer;
  readonly strangers: RpcServer;
}

/** What a secure listener needs. */
export interface SecureListenerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly certificates: ListenerCertificates;
  readonly maxConnections: number;
  readonly clock: Clock;
  readonly onRefused: (why: RefusedConnection) => void;
}

/** A listener that accepts connections. */
export interface SecureListener {
  readonly port: number;
  /** Shows and believes these from the next connection on. Throws what OpenSSL says of them. */
  renew(certificates: ListenerCertificates): void;
  connections(): { readonly all: number; readonly strangers: number };
  /** Accepts no more; connections go on. */
  close(): void;
}

/** By server, and by the peer's address and port as grpc-js names it. */
const connectionsOf = new WeakMap<RpcServer, Map<string, Connection>>();

/** The connection of a call; undefined on a listener without TLS. */
export function connectionOf(server: RpcServer, peer: string): Connection | undefined {
  return connectionsOf.get(server)?.get(peer);
}

/** Listens, and hands what is secure to the servers. Rejects with the system's error, or with what OpenSSL says of the certificates. */
export async function listenSecurely(servers: SecureServers, options: SecureListenerOptions): Promise<SecureListener> {
  const { clock, maxConnections, onRefused } = options;
  mendPeerCertificates();
  // The servers see secured sockets as they are: what is plain about them is only how they are handed over.
  const injectorOf = (server: RpcServer) => server.createConnectionInjector(ServerCredentials.createInsecure());
  const trusted = injectorOf(servers.trusted);
  const strangersInjector = servers.strangers === servers.trusted ? trusted : injectorOf(servers.strangers);
  const known = new Map<string, Connection>();
  for (const server of [servers.trusted, servers.strangers]) connectionsOf.set(server, known);
  const peers = new Set<string>();
  const strangers = createStrangers(clock, onRefused);
  const named = createNamed(onRefused);

  const tls = createServer({
    ...contextOf(options.certificates),
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: HANDSHAKE_WITHIN_MS,
    ALPNProtocols: ["h2"],
  });
  tls.maxConnections = maxConnections;
  tls.on("drop", () => onRefused("too-many"));
  tls.on("connection", (socket) => {
    // A client that goes away in the midst is told of by its close.
    socket.on("error", () => {});
    const peer = peerOf(socket);
    if (peers.has(peer)) {
      onRefused("same-peer");
      socket.destroy();
      return;
    }
    peers.add(peer);
    socket.once("close", () => peers.delete(peer));
    strangers.admit(peer, socket);
  });
  tls.on("tlsClientError", () => onRefused("handshake"));
  tls.on("secureConnection", (socket) => {
    socket.on("error", () => {});
    const peer = peerOf(socket);
    // It went away, or was shown out, while the handshake ended.
    if (socket.remoteAddress === undefined || socket.destroyed || !peers.has(peer)) return void socket.destroy();
    const certificate = clientCertificateOf(socket);
    const vouch = (name: string) => {
      if (strangers.vouch(peer)) named.admit(name, socket);
    };
    const isBelieved = certificate !== undefined && certificate.problem === undefined;
    if (isBelieved) vouch(`key ${certificate.keySha256}`);
    known.set(peer, { certificate, vouch });
    socket.once("close", () => known.delete(peer));
    (isBelieved ? trusted : strangersInjector).injectConnection(socket);
  });
  const port = await new Promise<number>((resolve, reject) => {
    tls.once("error", reject);
    tls.listen({ host: options.host, port: options.port, backlog: BACKLOG }, () => {
      const address = tls.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  // An accept that fails (EMFILE) leaves the next one to succeed.
  tls.on("error", () => onRefused("too-many"));
  return {
    port,
    renew: (certificates) => tls.setSecureContext(contextOf(certificates)),
    connections: () => ({ all: peers.size, strangers: strangers.size() }),
    close: () => void tls.close(),
  };
}

/** As grpc-js names the peer of a call. */
function peerOf(socket: Pick<TLSSocket, "remoteAddress" | "remotePort">): string {
  const { remoteAddress, remotePort } = socket;
  return `${remoteAddress}:${remotePort}`;
}

function contextOf({ certPem, keyPem, clientAuthorityPem }: ListenerCertificates): SecureContextOptions {
  const context: SecureContextOptions = {
    cert: certPem,
    key: keyPem,
    ca: clientAuthorityPem,
    minVersion: "TLSv1.3",
    // With tickets, whoever has copied one speaks for its key without it; without, the session would have to be in a cache, and there is none.
    secureOptions: constants.SSL_OP_NO_TICKET,
    // An authority that is itself signed by another is what agents pin, and ends the chain.
    allowPartialTrustChain: true,
  };
  // Reads them now, so that what cannot be used is known before it is.
  createSecureContext(context);
  return context;
}

interface Strangers {
  admit(peer: string, socket: ClosingSocket & Pick<TLSSocket, "remoteAddress">): void;
  /** Takes a peer from among the strangers; false: it is none, or not any more. */
  vouch(peer: string): boolean;
  size(): number;
}

interface ClosingSocket {
  destroy(): unknown;
  once(event: "close", listener: () => void): unknown;
}

interface Stranger {
  readonly source: string;
  readonly showOut: (why: RefusedConnection) => void;
  /** Lets it be, as a stranger that has gone or is none any more. */
  readonly forget: () => void;
}

/** Counts those that have proven nothing yet, and shows out the one that has been there longest when there are too many, or its time is up. */
function createStrangers(clock: Clock, onRefused: (why: RefusedConnection) => void): Strangers {
  // In the order in which they came.
  const all = new Map<string, Stranger>();
  const bySource = new Map<string, number>();
  const oldestOf = (source: string | undefined): Stranger | undefined => {
    for (const stranger of all.values()) if (source === undefined || stranger.source === source) return stranger;
    return undefined;
  };
  /** Of the source that has most, so that one who fills the house pays for it. */
  const fullest = (): string | undefined => {
    let most = 0;
    let found: string | undefined;
    for (const [source, count] of bySource) if (count > most) [most, found] = [count, source];
    return found;
  };
  return {
    admit(peer, socket) {
      const source = sourceOf(socket.remoteAddress ?? "");
      if ((bySource.get(source) ?? 0) >= STRANGERS_PER_SOURCE_MAX) oldestOf(source)?.showOut("too-many-strangers");
      if (all.size >= STRANGERS_MAX) oldestOf(fullest())?.showOut("too-many-strangers");
      bySource.set(source, (bySource.get(source) ?? 0) + 1);
      const timer: Timer = clock.after(STRANGER_STAYS_MS, () => stranger.showOut("stranger-stayed"));
      const forget = () => {
        if (all.get(peer) !== stranger) return;
        all.delete(peer);
        timer.cancel();
        const left = (bySource.get(source) ?? 1) - 1;
        if (left === 0) bySource.delete(source);
        else bySource.set(source, left);
      };
      const stranger: Stranger = {
        source,
        forget,
        showOut(why) {
          forget();
          onRefused(why);
          socket.destroy();
        },
      };
      all.set(peer, stranger);
      socket.once("close", forget);
    },
    vouch(peer) {
      const stranger = all.get(peer);
      stranger?.forget();
      return stranger !== undefined;
    },
    size: () => all.size,
  };
}

/** An IPv4 address, or the 64 bits of an IPv6 address that a site has for itself (RFC 6177): within them one host has any number. */
function sourceOf(address: string): string {
  if (!address.includes(":") || address.startsWith("::ffff:")) return address;
  const [head = "", tail = ""] = address.split("::");
  const [before, after] = [head, tail].map((part) => (part === "" ? [] : part.split(":"))) as [string[], string[]];
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => "0");
  return [...before, ...zeros, ...after].slice(0, 4).join(":");
}

/** Counts connections by who has proven to hold them, and ends the oldest of too many. */
function createNamed(onRefused: (why: RefusedConnection) => void) {
  const byName = new Map<string, Set<ClosingSocket>>();
  return {
    admit(name: string, socket: ClosingSocket): void {
      const sockets = byName.get(name) ?? new Set();
      byName.set(name, sockets);
      const [oldest] = sockets;
      if (sockets.size >= CONNECTIONS_PER_NAME_MAX && oldest !== undefined) {
        sockets.delete(oldest);
        onRefused("too-many-of-name");
        oldest.destroy();
      }
      sockets.add(socket);
      socket.once("close", () => {
        sockets.delete(socket);
        if (sockets.size === 0 && byName.get(name) === sockets) byName.delete(name);
      });
    },
  };
}

function clientCertificateOf(socket: TLSSocket): ClientCertificate | undefined {
  const shown = shownCertificate(socket);
  if (shown === undefined) return undefined;
  const { CN: commonName, O: organisations } = subjectOf(shown);
  return {
    commonName: typeof commonName === "string" ? commonName : "",
    organisations: [organisations ?? []].flat(),
    keySha256: createHash("sha256")
      .update(shown.publicKey.export({ format: "der", type: "spki" }))
      .digest("hex"),
    der: shown.raw,
    notBeforeMs: shown.validFromDate.getTime(),
    notAfterMs: shown.validToDate.getTime(),
    problem: socket.authorized ? undefined : problemOf(socket),
  };
}

function subjectOf(certificate: X509Certificate): Readonly<Record<string, string | string[] | undefined>> {
  // Node's types have the values as single strings; an attribute that occurs twice is a list.
  return certificate.toLegacyObject().subject as never;
}

function problemOf({ authorizationError }: TLSSocket): string {
  // Node's types say Error; it is OpenSSL's word.
  return typeof authorizationError === "string" ? authorizationError : "UNSPECIFIED";
}
