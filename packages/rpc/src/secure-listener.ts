/**
 * The public listener: TLS 1.3 only. Client certificates are requested, not required.
 *
 * 1. A client without a valid certificate is unauthenticated. It is accepted, so that it can enrol, renew an expired
 *    certificate, or learn what is wrong. Each call is admitted on its own. Such a client has few streams and small
 *    messages.
 * 2. Work that peers cause runs in turns and within a rate of processor time (rate-limited-scheduler.ts): of
 *    unauthenticated clients by source and in all, and their bytes are bounded; of others by key or token.
 * 3. Connections are bounded in all. Those that wait for their handshake, and unauthenticated ones, are bounded in all,
 *    by source and in time. Those of one name are bounded by number. The oldest unauthenticated connection is evicted
 *    first: holding connections does not keep others out (S2).
 * 4. A connection is identified by the address and port of its peer. A call does not say which address of this host it
 *    came to, so a second connection from the same address and port is refused (S1).
 * 5. Plaintext fails in the handshake. Sessions are not resumed, so each connection proves its key again.
 */
import { ConnectionAcceptor, type SecureListenerOptions, type SecureServers } from "./connection-acceptor.ts";
import type { ListenerCertificates } from "./listener-certificates.ts";
import { patchPeerCertificates } from "./peer-certificate.ts";
import type { ConnectionCounts } from "./secure-connection.ts";

/** A listener that accepts connections. */
export interface SecureListener {
  readonly port: number;
  /** Uses these from the next connection on. Throws OpenSSL's error for certificates that cannot be used. */
  renew(certificates: ListenerCertificates): void;
  connections(): ConnectionCounts;
  /** Accepts no more connections. Open ones go on. */
  close(): void;
}

/**
 * Listens, and gives connections to the servers. Rejects with the system's error, or with OpenSSL's error for the
 * certificates.
 */
export async function listenSecurely(servers: SecureServers, options: SecureListenerOptions): Promise<SecureListener> {
  patchPeerCertificates();
  const acceptor = new ConnectionAcceptor(servers, options);
  const port = await acceptor.listen(options.host, options.port);
  return {
    port,
    renew: (certificates) => acceptor.renew(certificates),
    connections: () => acceptor.counts(),
    close: () => acceptor.close(),
  };
}
