/**
 * The certificate that the gRPC listener shows, and the CA that its clients must have: issued by the fleet CA
 * (issued-certificates.ts), or read from files (certificate-files.ts).
 */
import { createSecureContext } from "node:tls";
import type { Clock } from "@lifeline/measure";
import type { ListenerCertificates } from "@lifeline/rpc";
import type { Logger } from "pino";

/** The listener's certificates, now and later. */
export interface CertificateSource {
  readonly first: ListenerCertificates;
  /**
   * Calls `renew` with each later set until the signal aborts. What `renew` throws is logged, and tried again later.
   */
  follow(renew: (certificates: ListenerCertificates) => void, signal: AbortSignal): void;
}

export interface SourceWorld {
  readonly clock: Clock;
  readonly log: Logger;
}

/** Throws OpenSSL's error for certificates that it refuses: it reads the whole chain, and refuses weak keys. */
export function createContext({ certPem, keyPem, clientCaPem }: ListenerCertificates): void {
  createSecureContext({ cert: certPem, key: keyPem, ca: clientCaPem, minVersion: "TLSv1.3" });
}

/** The code of the error that `use` throws for these; undefined: it accepts them. */
export function refusalOf(
  use: (certificates: ListenerCertificates) => void,
  certificates: ListenerCertificates,
): string | undefined {
  try {
    use(certificates);
    return undefined;
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    return String(error.code);
  }
}

/** Warns of a problem when it differs from the last one. Undefined: there is no problem any more. */
export function warnOnce(log: Logger): (problem: string | undefined) => void {
  let last: string | undefined;
  return (problem) => {
    if (problem !== undefined && problem !== last) log.warn(problem);
    last = problem;
  };
}
