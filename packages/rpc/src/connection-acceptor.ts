/** Accepts connections, performs their handshakes, and gives them to the server. secure-listener.ts has the rules. */
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import { createServer, type TLSSocket, type Server as TlsServer } from "node:tls";
import { type Server as RpcServer, ServerCredentials } from "@grpc/grpc-js";
import type { Clock, Timer } from "@lifeline/measure";
import { type ClientCertificate, clientCertificateOf } from "./client-certificate.ts";
import {
  HANDSHAKE_BYTES,
  HANDSHAKE_TIMEOUT_MS,
  UNAUTHENTICATED_BYTES_MAX,
  UNAUTHENTICATED_CALLS_MAX,
  UNAUTHENTICATED_MAX,
  UNAUTHENTICATED_PER_SOURCE_MAX,
  UNAUTHENTICATED_TIMEOUT_MS,
  WAITING_MAX,
  WAITING_PER_SOURCE_MAX,
} from "./connection-limits.ts";
import { ConnectionsByName } from "./connections-by-name.ts";
import { ConnectionsBySource, oldestOf } from "./connections-by-source.ts";
import { contextOf, type ListenerCertificates } from "./listener-certificates.ts";
import { MeteredSocket } from "./metered-socket.ts";
import {
  AUTHENTICATED_ALLOWANCES,
  RateLimitedScheduler,
  UNAUTHENTICATED_ALLOWANCES,
} from "./rate-limited-scheduler.ts";
import {
  type Connection,
  type ConnectionCounts,
  connectionsOf,
  peerOf,
  type RefusedConnection,
} from "./secure-connection.ts";
import { networkOf, sourceOf } from "./source.ts";

/**
 * Connections that the kernel queues before they are accepted. With Node's 511, a reconnecting fleet has to send SYNs
 * again. Limited by somaxconn.
 */
const BACKLOG = 4_096;

/** The servers: for connections whose certificate is valid, and for all others. May be the same server. */
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
  /** Most bytes that a client may send in its handshake. Default and range: {@link HANDSHAKE_BYTES}. */
  readonly handshakeMaxBytes?: number;
  readonly clock: Clock;
  readonly onRefused: (why: RefusedConnection) => void;
}

/** A connection that is not authenticated yet. */
interface PendingConnection {
  readonly source: string;
  readonly peer: string;
  readonly raw: Socket;
  readonly metered: MeteredSocket;
  /** Most bytes that it may have sent by now. */
  bytesMax: number;
  /** Its handshake is complete. */
  isSecured: boolean;
  timer: Timer;
}

/** Keeps every connection until it is authenticated, and its name from then on. */
export class ConnectionAcceptor {
  readonly #options: SecureListenerOptions;
  readonly #unauthenticatedWork: RateLimitedScheduler;
  readonly #authenticatedWork: RateLimitedScheduler;
  readonly #tcp: TcpServer;
  readonly #tls: TlsServer;
  /** By peer. */
  readonly #peers = new Map<string, PendingConnection>();
  readonly #known = new Map<string, Connection>();
  readonly #waiting = new ConnectionsBySource<PendingConnection>(
    { max: WAITING_MAX, perSourceMax: WAITING_PER_SOURCE_MAX },
    idleOrNewestOf,
  );
  readonly #unauthenticated = new ConnectionsBySource<PendingConnection>(
    { max: UNAUTHENTICATED_MAX, perSourceMax: UNAUTHENTICATED_PER_SOURCE_MAX },
    oldestOf,
  );
  readonly #named: ConnectionsByName;
  readonly #inject: { readonly authenticated: Inject; readonly unauthenticated: Inject };

  /**
   * The connection whose bytes are being passed on. `secureConnection` fires meanwhile and does not name its
   * connection.
   */
  #current: PendingConnection | undefined;

  constructor(servers: SecureServers, options: SecureListenerOptions) {
    this.#options = options;
    this.#unauthenticatedWork = new RateLimitedScheduler(options.clock, UNAUTHENTICATED_ALLOWANCES, networkOf);
    this.#authenticatedWork = new RateLimitedScheduler(options.clock, AUTHENTICATED_ALLOWANCES);
    this.#named = new ConnectionsByName(options.onRefused);
    this.#inject = injectorsOf(servers);
    for (const server of Object.values(servers)) connectionsOf.set(server, this.#known);
    this.#tls = createServer({
      ...contextOf(options.certificates),
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      ALPNProtocols: ["h2"],
    });
    // A handshake that fails closes its connection, and is counted there.
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
    // After an accept that failed (EMFILE), the next one may succeed.
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
    // The peer disconnected before the connection was accepted.
    if (raw.remoteAddress === undefined) return void raw.destroy();
    if (this.#peers.has(peer)) {
      onRefused("same-peer");
      return void raw.destroy();
    }
    const source = sourceOf(raw.remoteAddress);
    const metered = new MeteredSocket(raw, {
      queue: { scheduler: this.#unauthenticatedWork, source },
      bytesMax: () => pending.bytesMax,
      pass: (push, isFirst) => {
        if (isFirst) this.#begin(pending);
        this.#current = pending;
        push();
        this.#current = undefined;
      },
      onExcess: () => this.#evict(pending, pending.isSecured ? "too-many-bytes" : "handshake-too-large"),
    });
    const evictUnauthenticated = () => this.#evict(pending, "unauthenticated-too-long");
    const timer = clock.after(HANDSHAKE_TIMEOUT_MS, () => {
      if (!metered.hasBegun && !metered.isWaiting) return this.#evict(pending, "handshake");
      pending.timer = clock.after(UNAUTHENTICATED_TIMEOUT_MS - HANDSHAKE_TIMEOUT_MS, evictUnauthenticated);
    });
    const pending: PendingConnection = {
      source,
      peer,
      raw,
      metered,
      bytesMax: handshakeMaxBytes,
      isSecured: false,
      timer,
    };
    this.#peers.set(peer, pending);
    raw.once("close", () => {
      if (!pending.isSecured && this.#isUnknown(pending)) onRefused("handshake");
      this.#leave(pending);
      this.#peers.delete(peer);
      this.#known.delete(peer);
    });
    const victim = this.#waiting.add(pending);
    if (victim !== undefined) this.#evict(victim, "too-many-waiting");
  }

  #begin(pending: PendingConnection): void {
    this.#waiting.delete(pending);
    const victim = this.#unauthenticated.add(pending);
    if (victim !== undefined) this.#evict(victim, "too-many-unauthenticated");
    if (victim === pending) return;
    this.#tls.emit("connection", pending.metered);
  }

  #secured(socket: TLSSocket): void {
    socket.on("error", () => {});
    const pending = this.#current;
    // The peer disconnected, or was evicted, while the handshake ended.
    if (pending === undefined || socket.destroyed || this.#peers.get(pending.peer) !== pending) {
      return void socket.destroy();
    }
    const { peer, raw, metered } = pending;
    pending.isSecured = true;
    const certificate = readCertificate(socket);
    if (certificate === "unreadable") {
      this.#evict(pending, "handshake");
      return;
    }
    // A TLS socket over a stream has no addresses; grpc-js names the peer of a call by them.
    Object.defineProperties(socket, {
      remoteAddress: { value: raw.remoteAddress },
      remotePort: { value: raw.remotePort },
    });
    let isAuthenticated = false;
    const authenticate = (name: string) => {
      if (isAuthenticated || this.#peers.get(peer) !== pending) return;
      isAuthenticated = true;
      this.#leave(pending);
      metered.authenticate({ scheduler: this.#authenticatedWork, source: name });
      this.#named.add(name, raw);
    };
    let calls = 0;
    const countCall = () => {
      calls += 1;
      if (!isAuthenticated && calls > UNAUTHENTICATED_CALLS_MAX && !raw.destroyed)
        this.#evict(pending, "too-many-calls");
    };
    this.#known.set(peer, { certificate, authenticate, countCall });
    pending.bytesMax += UNAUTHENTICATED_BYTES_MAX;
    const isValid = certificate !== undefined && certificate.problem === undefined;
    if (isValid) authenticate(`key ${certificate.keySha256}`);
    this.#inject[isValid ? "authenticated" : "unauthenticated"](socket);
  }

  /** Removes it from the unauthenticated connections. */
  #leave(pending: PendingConnection): void {
    pending.timer.cancel();
    this.#waiting.delete(pending);
    this.#unauthenticated.delete(pending);
  }

  #isUnknown(pending: PendingConnection): boolean {
    return this.#waiting.has(pending) || this.#unauthenticated.has(pending);
  }

  #evict(pending: PendingConnection, why: RefusedConnection): void {
    this.#leave(pending);
    this.#options.onRefused(why);
    pending.raw.destroy();
  }
}

type Inject = (socket: TLSSocket) => void;

/**
 * Gives a server TLS sockets whose handshake is complete: "insecure" here means that grpc-js adds no TLS of its own.
 */
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

/**
 * Of one source: the oldest that has sent nothing; if all wait for their turn, the newest, so that older ones keep
 * their place.
 */
function idleOrNewestOf(connections: ReadonlySet<PendingConnection>): PendingConnection {
  let newest: PendingConnection | undefined;
  for (const pending of connections) {
    if (!pending.metered.isWaiting) return pending;
    newest = pending;
  }
  if (newest === undefined) throw new Error("a source has no connection");
  return newest;
}

/** The client's certificate. `unreadable`: OpenSSL has accepted it, and Node cannot read it. */
function readCertificate(socket: TLSSocket): ClientCertificate | undefined | "unreadable" {
  try {
    return clientCertificateOf(socket);
  } catch {
    return "unreadable";
  }
}
