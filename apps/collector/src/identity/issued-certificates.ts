/**
 * The listener's certificates, issued by the fleet CA. One is renewed at half its life, and when the clock is set back
 * to before it, under a key that never leaves memory.
 */
import { BACKDATE_MS, type FleetCa, type KeyPair, makeKeyPair } from "@lifeline/identity";
import { type Clock, pause } from "@lifeline/measure";
import { ConfigError, problem } from "@lifeline/settings";
import { type CertificateSource, createContext, refusalOf, type SourceWorld, warnOnce } from "./certificate-source.ts";

/** How long a listener's certificate lasts, ms: a week, so that a leaked one is soon useless. */
export const LISTENER_LIFETIME_MS = 7 * 24 * 3_600_000;

/** How often to check whether an issued certificate is due, ms: by the wall clock, which may be set at any time. */
export const ISSUE_LOOK_MS = 60_000;

/** Certificates that the fleet CA issues for the names agents dial. */
export async function issuedCertificates(
  ca: FleetCa,
  names: readonly string[],
  { clock, log }: SourceWorld,
): Promise<CertificateSource> {
  const keys = makeKeyPair();
  const first = await issue(ca, names, keys, clock);
  const refused = refusalOf(createContext, first.certificates);
  if (refused !== undefined) {
    const got = `one that TLS refuses (${refused})`;
    throw new ConfigError(problem("bad-value", "identity.caCertFile", got, "a stronger one"));
  }
  return {
    first: first.certificates,
    follow(renew, signal) {
      const warn = warnOnce(log);
      let { issuedAtMs } = first;
      void (async () => {
        for (;;) {
          await pause(clock, ISSUE_LOOK_MS, signal);
          if (signal.aborted) return;
          if (!isDue(issuedAtMs, clock.wallMs())) continue;
          const next = await issue(ca, names, keys, clock);
          const refused = refusalOf(renew, next.certificates);
          warn(refused && `the listener's certificate could not be renewed (${refused})`);
          if (refused !== undefined) continue;
          issuedAtMs = next.issuedAtMs;
          log.info({ names }, "the listener's certificate was renewed");
        }
      })();
    },
  };
}

/** Whether half of a certificate's life is over, or the clock was set back to well before its issue. */
function isDue(issuedAtMs: number, nowMs: number): boolean {
  return nowMs < issuedAtMs - BACKDATE_MS.server / 2 || nowMs >= issuedAtMs + LISTENER_LIFETIME_MS / 2;
}

async function issue(ca: FleetCa, names: readonly string[], keys: KeyPair, clock: Clock) {
  const { publicKeyDer, privateKeyPem } = keys;
  const nowMs = clock.wallMs();
  const { pem } = await ca.issueServer({ names, publicKeyDer, nowMs, lifetimeMs: LISTENER_LIFETIME_MS });
  const certPem = `${pem}${ca.certPem}`;
  return { certificates: { certPem, keyPem: privateKeyPem, clientCaPem: ca.certPem }, issuedAtMs: nowMs };
}
