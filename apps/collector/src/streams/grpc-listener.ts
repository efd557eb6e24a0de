/** The gRPC listener: TLS by the collector's certificates, or plaintext where the configuration says so. */
import type { Clock } from "@lifeline/measure";
import { endpointName } from "@lifeline/measure";
import {
  type ConnectionCounts,
  listen,
  listenSecurely,
  type SecureServers,
  ServerCredentials,
  UNAUTHENTICATED_MAX,
  WAITING_MAX,
} from "@lifeline/rpc";
import { ConfigError, problem } from "@lifeline/settings";
import type { Logger } from "pino";
import type { Config } from "../config/config.ts";
import type { SelfMetrics } from "../export/self-metrics.ts";
import type { CertificateSource } from "../identity/certificate-source.ts";

/**
 * Connections beyond one for each agent: people's, witnesses', agents that renew, and as many as may be in the
 * handshake and unauthenticated, so that those never keep an agent out.
 */
const CONNECTIONS_BESIDE_STREAMS = 2_048 + WAITING_MAX + UNAUTHENTICATED_MAX;

/** A listener that accepts calls. */
export interface Listener {
  readonly port: number;
  /** Undefined: the listener is plaintext. */
  connections(): ConnectionCounts | undefined;
  /** Accepts no more; calls go on. */
  close(): void;
}

/** Opens the listener. Rejects with a ConfigError. */
export async function openListener(
  servers: SecureServers,
  { listen: { host, port }, maxStreams, handshakeMaxBytes }: Config,
  certificates: CertificateSource | undefined,
  { clock, log, selfMetrics }: { readonly clock: Clock; readonly log: Logger; readonly selfMetrics: SelfMetrics },
): Promise<Listener> {
  const address = endpointName(host, port);
  if (certificates === undefined) {
    const bound = await listen(servers.authenticated, address, ServerCredentials.createInsecure()).catch(() =>
      cannotListen("listen", address),
    );
    // The server closes it with its calls.
    return { port: bound, connections: () => undefined, close() {} };
  }
  const stopped = new AbortController();
  const secure = await listenSecurely(servers, {
    host,
    port,
    certificates: certificates.first,
    maxConnections: maxStreams + CONNECTIONS_BESIDE_STREAMS,
    handshakeMaxBytes,
    clock,
    onRefused: (reason) => selfMetrics.refusedConnections.inc({ reason }),
  }).catch((error: unknown) => {
    // What is no call to the system is about the certificates, and those were tried when they were read.
    if (!(error instanceof Error && "syscall" in error)) throw error;
    return cannotListen("listen", address);
  });
  certificates.follow(secure.renew, stopped.signal);
  log.info({ address }, "the listener speaks TLS 1.3");
  return {
    port: secure.port,
    connections: secure.connections,
    close() {
      stopped.abort();
      secure.close();
    },
  };
}

/** Nothing but the address keeps a listener from opening: taken by another process, or none of this host. */
export function cannotListen(setting: string, address: string): never {
  throw new ConfigError(problem("bad-value", setting, `"${address}"`, "a free port at an address of this host"));
}
