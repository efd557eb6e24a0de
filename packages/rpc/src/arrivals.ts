/** From the accepted socket to the server: what becomes of a connection until it is authenticated (secure-listener.ts says by which rules). */
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import { createServer, type TLSSocket, type Server as TlsServer } from "node:tls";
import { type Server as RpcServer, ServerCredentials } from "@grpc/grpc-js";
import type { Clock, Timer } from "@lifeline/measure";
import { type ClientCertificate, clientCertificateOf } from "./client-certificate.ts";
import {
  HANDSHAKE_BYTES,
  HANDSHAKE_WITHIN_MS,
  UNAUTHENTICATED_BYTES_MAX,
  UNAUTHENTICATED_CALLS_MAX,
  UNAUTHENTICATED_FOR_MS,
  UNAUTHENTICATED_MAX,
  UNAUTHENTICATED_PER_SOURCE_MAX,
  WAITING_MAX,
  WAITING_PER_SOURCE_MAX,
} from "./connection-limits.ts";
import { ConnectionsByName } from "./connections-by-name.ts";
import { ConnectionsBySource, oldestOf } from "./connections-by-source.ts";
import { contextOf, type ListenerCertificates } from "./listener-certificates.ts";
import { MeteredSocket } from "./metered-socket.ts";
import {
  type Connection,
  type ConnectionCounts,
  connectionsOf,
  peerOf,
  type RefusedConnection,
} from "./secure-connection.ts";
import { networkOf, sourceOf } from "./source.ts";
import { AUTHENTICATED_ALLOWANCES, UNAUTHENTICATED_ALLOWANCES, WorkBudget } from "./work-budget.ts";

/** Connections that may wait to be accepted: Node's 511 costs a reconnecting fleet SYNs that are sent again. The kernel cuts it to somaxconn. */
const BACKLOG = 4_096;

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
export class Arrivals {
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
  readonly #named: ConnectionsByName;
  readonly #inject: { readonly authenticated: Inject; readonly unauthenticated: Inject };

  /** Whose bytes are being passed on: `secureConnection` fires during that, and does not name the connection. */
  #current: Arrival | undefined;

  constructor(servers: SecureServers, options: SecureListenerOptions) {
    this.#options = options;
    this.#unproven = new WorkBudget(options.clock, UNAUTHENTICATED_ALLOWANCES, networkOf);
    this.#proven = new WorkBudget(options.clock, AUTHENTICATED_ALLOWANCES);
    this.#named = new ConnectionsByName(options.onRefused);
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
    if (victim === arrival) return;
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
