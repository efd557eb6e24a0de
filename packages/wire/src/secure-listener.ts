/**
 * The listener that strangers can reach: TLS 1.3 and nothing else, client certificates asked for but not demanded.
 *
 * 1. Whoever shows no certificate, or one that cannot be believed, is a stranger: heard, so that it can enrol, renew what has ended, or be
 *    told what is wrong; what it may ask is decided call by call.
 * 2. Connections are bounded in all, strangers among them in all, by source and in time, and those of one key by number: nobody keeps
 *    others out by holding connections (S2).
 * 3. Plaintext ends in the handshake. Sessions are not resumed, so each connection proves its key anew.
 */
import { constants, createHash, type X509Certificate } from "node:crypto";
import { createSecureContext, createServer, type SecureContextOptions, type TLSSocket } from "node:tls";
import { type Server as RpcServer, ServerCredentials } from "@grpc/grpc-js";
import type { Clock, Timer } from "@lifeline/measure";

/** How long a TLS handshake may take, ms: three lost segments of a slow link, by RFC 6298's 1, 2 and 4 s. */
export const HANDSHAKE_WITHIN_MS = 10_000;

/** How long a stranger may stay, ms: an enrolment takes two seconds at most. */
export const STRANGER_STAYS_MS = 60_000;

/** Most strangers at once, in all and from one source address: a rack behind one address may enrol together. */
export const STRANGERS_MAX = 1_024;
export const STRANGERS_PER_SOURCE_MAX = 256;

/** Most connections under one key: an agent has two while it renews, a person's tool a few. */
export const CONNECTIONS_PER_KEY_MAX = 16;

/** Connections that may wait to be accepted: Node's 511 costs a reconnecting fleet SYNs that are sent again. The kernel cuts it to somaxconn. */
const BACKLOG = 4_096;

/** The certificate a client has shown, whose key it has proven. */
export interface ClientCertificate {
  /** Empty unless the subject has exactly one. */
  readonly commonName: string;
  readonly organisations: readonly string[];
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hexadecimal. */
  readonly keySha256: string;
  /** ms since the epoch */
  readonly notAfterMs: number;
  /** Why it is not to be believed, in OpenSSL's word (CERT_HAS_EXPIRED …); undefined: it is of the listener's authority and in time. */
  readonly problem: string | undefined;
}

/** What a call knows of the connection it came by. */
export interface Connection {
  readonly certificate: ClientCertificate | undefined;
  /** Says that the caller has proven itself otherwise: it is no stranger any more. */
  vouch(): void;
}

/** What the listener shows of itself, and whose clients it believes. PEM. */
export interface ListenerCertificates {
  readonly certPem: string;
  /** Secret. */
  readonly keyPem: string;
  readonly clientAuthorityPem: string;
}

/** Why a connection was ended before a call. */
export type RefusedConnection = "handshake" | "too-many" | "too-many-strangers" | "too-many-of-key" | "stranger-stayed";

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

/** Listens, and hands what is secure to `server`. Rejects with the system's error, or with what OpenSSL says of the certificates. */
export async function listenSecurely(server: RpcServer, options: SecureListenerOptions): Promise<SecureListener> {
  const { clock, maxConnections, onRefused } = options;
  // The server sees secured sockets as they are: what is plain about them is only how they are handed over.
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const known = new Map<string, Connection>();
  connectionsOf.set(server, known);
  const strangers = createStrangers(clock, onRefused);
  const byKey = new Map<string, number>();

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
    strangers.admit(socket);
  });
  tls.on("tlsClientError", () => onRefused("handshake"));
  tls.on("secureConnection", (socket) => {
    socket.on("error", () => {});
    const certificate = clientCertificateOf(socket);
    const source = socket.remoteAddress;
    // It went away while the handshake ended.
    if (source === undefined || socket.destroyed) return void socket.destroy();
    const vouch = () => strangers.vouch(source, socket.remotePort);
    if (certificate !== undefined && certificate.problem === undefined) {
      if (!countKey(byKey, certificate.keySha256, socket)) {
        onRefused("too-many-of-key");
        return void socket.destroy();
      }
      vouch();
    }
    const peer = `${source}:${socket.remotePort}`;
    known.set(peer, { certificate, vouch });
    socket.once("close", () => known.delete(peer));
    injector.injectConnection(socket);
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
    connections: () => ({ all: known.size, strangers: strangers.size() }),
    close: () => void tls.close(),
  };
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
  admit(socket: { readonly remoteAddress?: string; readonly remotePort?: number } & ClosingSocket): void;
  vouch(source: string, port: number | undefined): void;
  size(): number;
}

interface ClosingSocket {
  destroy(): unknown;
  once(event: "close", listener: () => void): unknown;
}

/** Counts those that have proven nothing yet, and shows them out when their time is up. */
function createStrangers(clock: Clock, onRefused: (why: RefusedConnection) => void): Strangers {
  const bySource = new Map<string, number>();
  const leaving = new Map<string, () => void>();
  return {
    admit(socket) {
      const { remoteAddress: source = "", remotePort: port } = socket;
      const ofSource = bySource.get(source) ?? 0;
      if (leaving.size >= STRANGERS_MAX || ofSource >= STRANGERS_PER_SOURCE_MAX) {
        onRefused("too-many-strangers");
        socket.destroy();
        return;
      }
      const peer = `${source}:${port}`;
      bySource.set(source, ofSource + 1);
      let timer: Timer | undefined;
      const leave = () => {
        if (!leaving.delete(peer)) return;
        timer?.cancel();
        const left = (bySource.get(source) ?? 1) - 1;
        if (left === 0) bySource.delete(source);
        else bySource.set(source, left);
      };
      timer = clock.after(STRANGER_STAYS_MS, () => {
        onRefused("stranger-stayed");
        socket.destroy();
      });
      leaving.set(peer, leave);
      socket.once("close", leave);
    },
    vouch: (source, port) => leaving.get(`${source}:${port}`)?.(),
    size: () => leaving.size,
  };
}

/** False: the key has as many connections as it may. */
function countKey(byKey: Map<string, number>, key: string, socket: ClosingSocket): boolean {
  const count = byKey.get(key) ?? 0;
  if (count >= CONNECTIONS_PER_KEY_MAX) return false;
  byKey.set(key, count + 1);
  socket.once("close", () => {
    const left = (byKey.get(key) ?? 1) - 1;
    if (left === 0) byKey.delete(key);
    else byKey.set(key, left);
  });
  return true;
}

function clientCertificateOf(socket: TLSSocket): ClientCertificate | undefined {
  const shown = socket.getPeerX509Certificate();
  if (shown === undefined) return undefined;
  const { CN: commonName, O: organisations } = subjectOf(shown);
  return {
    commonName: typeof commonName === "string" ? commonName : "",
    organisations: [organisations ?? []].flat(),
    keySha256: createHash("sha256")
      .update(shown.publicKey.export({ format: "der", type: "spki" }))
      .digest("hex"),
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
