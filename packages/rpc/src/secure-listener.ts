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
import { Arrivals, type SecureListenerOptions, type SecureServers } from "./arrivals.ts";
import type { ListenerCertificates } from "./listener-certificates.ts";
import { patchPeerCertificates } from "./peer-certificate.ts";
import type { ConnectionCounts } from "./secure-connection.ts";

/** A listener that accepts connections. */
export interface SecureListener {
  readonly port: number;
  /** Shows and believes these from the next connection on. Throws what OpenSSL says of them. */
  renew(certificates: ListenerCertificates): void;
  connections(): ConnectionCounts;
  /** Accepts no more; connections go on. */
  close(): void;
}

/** Listens, and hands what is secure to the servers. Rejects with the system's error, or with what OpenSSL says of the certificates. */
export async function listenSecurely(servers: SecureServers, options: SecureListenerOptions): Promise<SecureListener> {
  patchPeerCertificates();
  const arrivals = new Arrivals(servers, options);
  const port = await arrivals.listen(options.host, options.port);
  return {
    port,
    renew: (certificates) => arrivals.renew(certificates),
    connections: () => arrivals.counts(),
    close: () => arrivals.close(),
  };
}
