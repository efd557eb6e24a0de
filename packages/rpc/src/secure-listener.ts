/**
 * The listener that anybody can reach: TLS 1.3 and nothing else, client certificates asked for but not demanded.
 *
 * 1. Whoever shows no certificate, or one that cannot be believed, is unauthenticated: heard, so that it can enrol, renew what has ended, or
 *    be told what is wrong; what it may ask is decided call by call. It is served small messages on few streams.
 * 2. What peers send is worked on in turns within a budget of time: of the unauthenticated by source and in all, and bounded in bytes; of
 *    others by key or token (work-budget.ts).
 * 3. Connections are bounded in all, those that wait for their handshake and the unauthenticated in all, by source and in time, and those under
 *    one name by number. Among those who prove nothing the one that has been there longest is evicted: nobody keeps others out by holding
 *    connections (S2).
 * 4. A connection is known by the address and port it comes from, which no two have at once: calls do not tell to which of this host's
 *    addresses it goes, so one that would be taken for another is not let in (S1).
 * 5. Plaintext ends in the handshake. Sessions are not resumed, so each connection proves its key anew.
 */
import { constants } from "node:crypto";
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import {
  createSecureContext,
  createServer,
  type SecureContextOptions,
  type TLSSocket,
  type Server as TlsServer,
} from "node:tls";
import { type Server as RpcServer, ServerCredentials } from "@grpc/grpc-js";
import type { Clock, Timer } from "@lifeline/measure";
import { type ClientCertificate, clientCertificateOf } from "./client-certificate.ts";
import { ConnectionsBySource, oldestOf } from "./connections-by-source.ts";
import { MeteredSocket } from "./metered-socket.ts";
import { mendPeerCertificates } from "./shown-certificate.ts";
import { sourceOf } from "./source.ts";
import { AUTHENTICATED_ALLOWANCES, UNAUTHENTICATED_ALLOWANCES, WorkBudget } from "./work-budget.ts";

/**
 * How long a connection may be without its first byte, and a handshake may take from its first turn, ms: three lost segments of a slow
 * link, by RFC 6298's 1, 2 and 4 s.
 */
export const HANDSHAKE_WITHIN_MS = 10_000;

/** How long a connection may stay unauthenticated, ms: an enrolment takes two seconds at most, and the handshakes of a site wait for each other. */
export const UNAUTHENTICATED_FOR_MS = 60_000;

/**
 * Most connections whose handshake has not begun, in all and from one source: a site of a thousand agents behind one address translator comes
 * back together. Each holds some 10 KB.
 */
export const WAITING_MAX = 4_096;
export const WAITING_PER_SOURCE_MAX = 2_048;

/**
 * Most connections whose handshake has begun and that have proven nothing, in all and from one source: a rack behind one address may enrol
 * together. Each holds some 100 KB.
 */
export const UNAUTHENTICATED_MAX = 1_024;
export const UNAUTHENTICATED_PER_SOURCE_MAX = 512;

/**
 * Bytes of a client's side of a handshake: a hello of 1.8 KB with a post-quantum key share, four certificates with RSA keys of 4,096 bits of
 * 1.8 KB each, and a signature of 0.6 KB are 9.6 KB. What is verified of twelve costs some 40 ms at worst (brainpoolP512r1).
 */
export const HANDSHAKE_BYTES = { default: 12 * 1024, min: 4 * 1024, max: 64 * 1024 };

/** Most bytes an unauthenticated connection may send after its handshake: four requests of 16 KiB, as many as it has streams, and their frames. */
const UNAUTHENTICATED_BYTES_MAX = 72 * 1024;

/**
 * Most calls on a connection that proves nothing: an agent makes one or two to enrol, and a person's tool proves itself by the first. HTTP/2 lets
 * a peer open and reset streams as fast as it can send.
 */
export const UNAUTHENTICATED_CALLS_MAX = 32;

/**
 * Most connections under one key or token: an agent has two while it renews, and on a network that swallows packets leaves a few behind,
 * each for the eighty seconds until it is missed.
 */
export const CONNECTIONS_PER_NAME_MAX = 8;

/** Connections that may wait to be accepted: Node's 511 costs a reconnecting fleet SYNs that are sent again. The kernel cuts it to somaxconn. */
const BACKLOG = 4_096;

/** What a call knows of the connection it came by. */
export interface Connection {
  readonly certificate: ClientCertificate | undefined;
  /** Says that the caller has proven who it is in another way than by certificate, and as whom. */
  authenticate(name: string): void;
  /** A call has begun on it. Ends a connection that has proven nothing with {@link UNAUTHENTICATED_CALLS_MAX} of them. */
  countCall(): void;
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
  | "handshake-too-large"
  | "too-many"
  | "too-many-waiting"
  | "too-many-unauthenticated"
  | "too-many-of-name"
  | "too-many-bytes"
  | "too-many-calls"
  | "unauthenticated-too-long"
  | "same-peer";

/** Who serves: those whose certificate is believed, and all others. May be one server. */
export interface SecureServers {
  readonly authenticated: RpcServer;
  readonly unauthenticated: RpcServer;
}

/** What a secure listener needs. */
export interface SecureListenerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly certificates: ListenerCertificates;
  readonly maxConnections: number;
  /** Most bytes of a client's side of a handshake. Default, least and most: {@link HANDSHAKE_BYTES}. */
  readonly handshakeMaxBytes?: number;
  readonly clock: Clock;
  readonly onRefused: (why: RefusedConnection) => void;
}

/** Connections at a moment. */
export interface ConnectionCounts {
  readonly all: number;
  /** Their handshake has not begun. */
  readonly waiting: number;
  /** Their handshake has begun, and they have proven nothing. */
  readonly unauthenticated: number;
}

/** A listener that accepts connections. */
export interface SecureListener {
  readonly port: number;
  /** Shows and believes these from the next connection on. Throws what OpenSSL says of them. */
  renew(certificates: ListenerCertificates): void;
  connections(): ConnectionCounts;
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
  mendPeerCertificates();
  const arrivals = new Arrivals(servers, options);
  const port = await arrivals.listen(options.host, options.port);
  return {
    port,
    renew: (certificates) => arrivals.renew(certificates),
    connections: () => arrivals.counts(),
    close: () => arrivals.close(),
  };
}

/** A connection that has proven nothing yet. */
interface Arrival {
  readonly source: string;
  readonly peer: string;
  readonly raw: Socket;
  readonly metered: MeteredSocket;
  /** Bytes it may have sent by now. */
  bytesMax: number;
  /** Its handshake is complete. */
  isSecured: boolean;
  timer: Timer;
}

/** From the accepted socket to the server: every connection until it is authenticated, and its name from then on. */
class Arrivals {
  readonly #options: SecureListenerOptions;
  readonly #unproven: WorkBudget;
  readonly #proven: WorkBudget;
  readonly #tcp: TcpServer;
  readonly #tls: TlsServer;
  /** By peer. */
  readonly #peers = new Map<string, Arrival>();
  readonly #known = new Map<string, Connection>();
  readonly #waiting = new ConnectionsBySource<Arrival>(
    { max: WAITING_MAX, perSourceMax: WAITING_PER_SOURCE_MAX },
    idleOrNewestOf,
  );
  readonly #unauthenticated = new ConnectionsBySource<Arrival>(
    { max: UNAUTHENTICATED_MAX, perSourceMax: UNAUTHENTICATED_PER_SOURCE_MAX },
    oldestOf,
  );
  readonly #named: Named;
  readonly #inject: { readonly authenticated: Inject; readonly unauthenticated: Inject };

  /** Whose bytes are being passed on: TLS completes a handshake within that, and does not say whose. */
  #current: Arrival | undefined;

  constructor(servers: SecureServers, options: SecureListenerOptions) {
    this.#options = options;
    this.#unproven = new WorkBudget(options.clock, UNAUTHENTICATED_ALLOWANCES);
    this.#proven = new WorkBudget(options.clock, AUTHENTICATED_ALLOWANCES);
    this.#named = new Named(options.onRefused);
    this.#inject = injectorsOf(servers);
    for (const server of Object.values(servers)) connectionsOf.set(server, this.#known);
    this.#tls = createServer({
      ...contextOf(options.certificates),
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_WITHIN_MS,
      ALPNProtocols: ["h2"],
    });
    // What is wrong with a handshake ends its connection, and is counted there.
    this.#tls.on("tlsClientError", (_, socket) => socket.destroy());
    this.#tls.on("secureConnection", (socket) => this.#secured(socket));
    this.#tcp = createTcpServer({ pauseOnConnect: true, noDelay: true });
    this.#tcp.maxConnections = options.maxConnections;
    this.#tcp.on("drop", () => options.onRefused("too-many"));
    this.#tcp.on("connection", (raw) => this.#accept(raw));
  }

  async listen(host: string, port: number): Promise<number> {
    const bound = await new Promise<number>((resolve, reject) => {
      this.#tcp.once("error", reject);
      this.#tcp.listen({ host, port, backlog: BACKLOG }, () => {
        const address = this.#tcp.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
    // An accept that fails (EMFILE) leaves the next one to succeed.
    this.#tcp.on("error", () => this.#options.onRefused("too-many"));
    return bound;
  }

  renew(certificates: ListenerCertificates): void {
    this.#tls.setSecureContext(contextOf(certificates));
  }

  counts(): ConnectionCounts {
    return {
      all: this.#peers.size,
      waiting: this.#waiting.size,
      unauthenticated: this.#unauthenticated.size,
    };
  }

  close(): void {
    this.#tcp.close();
  }

  #accept(raw: Socket): void {
    const { clock, onRefused, handshakeMaxBytes = HANDSHAKE_BYTES.default } = this.#options;
    const peer = peerOf(raw);
    // It went away while it waited to be accepted.
    if (raw.remoteAddress === undefined) return void raw.destroy();
    if (this.#peers.has(peer)) {
      onRefused("same-peer");
      return void raw.destroy();
    }
    const source = sourceOf(raw.remoteAddress);
    const metered = new MeteredSocket(raw, {
      lane: { budget: this.#unproven, source },
      bytesMax: () => arrival.bytesMax,
      pass: (push, isFirst) => {
        if (isFirst) this.#begin(arrival);
        this.#current = arrival;
        push();
        this.#current = undefined;
      },
      onExcess: () => this.#evict(arrival, arrival.isSecured ? "too-many-bytes" : "handshake-too-large"),
    });
    const stayed = () => this.#evict(arrival, "unauthenticated-too-long");
    const timer = clock.after(HANDSHAKE_WITHIN_MS, () => {
      if (!metered.hasBegun && !metered.isWaiting) return this.#evict(arrival, "handshake");
      arrival.timer = clock.after(UNAUTHENTICATED_FOR_MS - HANDSHAKE_WITHIN_MS, stayed);
    });
    const arrival: Arrival = { source, peer, raw, metered, bytesMax: handshakeMaxBytes, isSecured: false, timer };
    this.#peers.set(peer, arrival);
    raw.once("close", () => {
      if (!arrival.isSecured && this.#isUnknown(arrival)) onRefused("handshake");
      this.#leave(arrival);
      this.#peers.delete(peer);
      this.#known.delete(peer);
    });
    const victim = this.#waiting.add(arrival);
    if (victim !== undefined) this.#evict(victim, "too-many-waiting");
  }

  #begin(arrival: Arrival): void {
    this.#waiting.delete(arrival);
    const victim = this.#unauthenticated.add(arrival);
    if (victim !== undefined) this.#evict(victim, "too-many-unauthenticated");
    this.#tls.emit("connection", arrival.metered);
  }

  #secured(socket: TLSSocket): void {
    socket.on("error", () => {});
    const arrival = this.#current;
    // It went away, or was evicted, while the handshake ended.
    if (arrival === undefined || socket.destroyed || this.#peers.get(arrival.peer) !== arrival) {
      return void socket.destroy();
    }
    const { peer, raw, metered } = arrival;
    arrival.isSecured = true;
    const certificate = readCertificate(socket);
    if (certificate === "unreadable") {
      this.#evict(arrival, "handshake");
      return;
    }
    // TLS over a stream knows no addresses; grpc-js names the peer of a call by them.
    Object.defineProperties(socket, {
      remoteAddress: { value: raw.remoteAddress },
      remotePort: { value: raw.remotePort },
    });
    let isAuthenticated = false;
    const authenticate = (name: string) => {
      if (isAuthenticated || this.#peers.get(peer) !== arrival) return;
      isAuthenticated = true;
      this.#leave(arrival);
      metered.prove({ budget: this.#proven, source: name });
      this.#named.add(name, raw);
    };
    let calls = 0;
    const countCall = () => {
      calls += 1;
      if (!isAuthenticated && calls > UNAUTHENTICATED_CALLS_MAX && !raw.destroyed)
        this.#evict(arrival, "too-many-calls");
    };
    this.#known.set(peer, { certificate, authenticate, countCall });
    arrival.bytesMax += UNAUTHENTICATED_BYTES_MAX;
    const isBelieved = certificate !== undefined && certificate.problem === undefined;
    if (isBelieved) authenticate(`key ${certificate.keySha256}`);
    this.#inject[isBelieved ? "authenticated" : "unauthenticated"](socket);
  }

  /** Takes it from among those that have proven nothing. */
  #leave(arrival: Arrival): void {
    arrival.timer.cancel();
    this.#waiting.delete(arrival);
    this.#unauthenticated.delete(arrival);
  }

  #isUnknown(arrival: Arrival): boolean {
    return this.#waiting.has(arrival) || this.#unauthenticated.has(arrival);
  }

  #evict(arrival: Arrival, why: RefusedConnection): void {
    this.#leave(arrival);
    this.#options.onRefused(why);
    arrival.raw.destroy();
  }
}

type Inject = (socket: TLSSocket) => void;

/** The servers see secured sockets as they are: what is plain about them is only how they are handed over. */
function injectorsOf({ authenticated, unauthenticated }: SecureServers) {
  const injectorOf = (server: RpcServer): Inject => {
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
    return (socket) => injector.injectConnection(socket);
  };
  const inject = injectorOf(authenticated);
  return {
    authenticated: inject,
    unauthenticated: unauthenticated === authenticated ? inject : injectorOf(unauthenticated),
  };
}

/** Of one source: the one that has said nothing for longest; where all wait for their turn, the newest, so that those before it keep theirs. */
function idleOrNewestOf(arrivals: ReadonlySet<Arrival>): Arrival {
  let newest: Arrival | undefined;
  for (const arrival of arrivals) {
    if (!arrival.metered.isWaiting) return arrival;
    newest = arrival;
  }
  if (newest === undefined) throw new Error("a source without a connection");
  return newest;
}

/** What a client has shown; it may be a certificate that Node cannot read, though OpenSSL has taken it. */
function readCertificate(socket: TLSSocket): ClientCertificate | undefined | "unreadable" {
  try {
    return clientCertificateOf(socket);
  } catch {
    return "unreadable";
  }
}

/** As grpc-js names the peer of a call. */
function peerOf({ remoteAddress, remotePort }: Socket): string {
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

/** Connections by who has proven to hold them. The oldest of too many ends. */
class Named {
  readonly #onRefused: (why: RefusedConnection) => void;
  readonly #byName = new Map<string, Set<Socket>>();

  constructor(onRefused: (why: RefusedConnection) => void) {
    this.#onRefused = onRefused;
  }

  add(name: string, socket: Socket): void {
    const sockets = this.#byName.get(name) ?? new Set();
    this.#byName.set(name, sockets);
    if (sockets.size >= CONNECTIONS_PER_NAME_MAX) {
      const oldest = oldestOf(sockets);
      sockets.delete(oldest);
      this.#onRefused("too-many-of-name");
      oldest.destroy();
    }
    sockets.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      if (sockets.size === 0 && this.#byName.get(name) === sockets) this.#byName.delete(name);
    });
  }
}
