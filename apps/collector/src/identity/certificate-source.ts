/**
 * The certificate that the gRPC listener shows, and the CA that its clients must have: issued by the fleet CA, or read from files.
 *
 * 1. An issued certificate is renewed at half its life, and when the clock is set back to before it, under a key
 *    that never leaves memory.
 * 2. Files are read again when they change. Files that cannot be used leave the last good ones in use, are logged once, and tried again.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { isDeepStrictEqual } from "node:util";
import { BACKDATE_MS, type FileRead, type FleetCa, type KeyPair, makeKeyPair } from "@lifeline/identity";
import { type Clock, pause } from "@lifeline/measure";
import type { ListenerCertificates } from "@lifeline/rpc";
import { ConfigError, problem } from "@lifeline/settings";
import type { Logger } from "pino";
import type { TlsFiles } from "../config/config.ts";

/** How long a listener's certificate lasts, ms: a week, so that a leaked one is soon useless. */
export const LISTENER_LIFETIME_MS = 7 * 24 * 3_600_000;

/** How often to check whether an issued certificate is due, ms: by the wall clock, which may be set at any time. */
export const ISSUE_LOOK_MS = 60_000;

/** How often files are checked for changes, ms. */
const FILES_LOOK_MS = 5_000;

/** The listener's certificates, now and later. */
export interface CertificateSource {
  readonly first: ListenerCertificates;
  /** Calls `renew` with each later set until the signal aborts. What `renew` throws is logged, and tried again later. */
  follow(renew: (certificates: ListenerCertificates) => void, signal: AbortSignal): void;
}

/** What both sources need. */
export interface SourceWorld {
  readonly clock: Clock;
  readonly log: Logger;
}

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

/** Certificates from files. @throws ConfigError */
export function certificatesFromFiles(files: TlsFiles, { clock, log }: SourceWorld): CertificateSource {
  const first = readAll(files);
  if (first.kind === "bad") throw new ConfigError({ code: "bad-value", line: first.problem });
  return {
    first: first.value,
    follow(renew, signal) {
      let latest = first.value;
      const warn = warnOnce(log);
      /** What is wrong with the files now; undefined: nothing. */
      const look = (): string | undefined => {
        // Read together, because a pair is replaced file by file.
        const read = readAll(files);
        if (read.kind === "bad") return read.problem;
        if (isDeepStrictEqual(read.value, latest)) return undefined;
        const refused = refusalOf(renew, read.value);
        if (refused !== undefined) return unusable(files, refused);
        latest = read.value;
        log.info(files, "read the listener's certificates again");
        return undefined;
      };
      void (async () => {
        for (;;) {
          await pause(clock, FILES_LOOK_MS, signal);
          if (signal.aborted) return;
          const problem = look();
          warn(problem && `${problem}; the certificates that were read before stay in use`);
        }
      })();
    },
  };
}

function readAll({ certFile, keyFile, caFile }: TlsFiles): FileRead<ListenerCertificates> {
  const texts: string[] = [];
  for (const [field, path] of [
    ["tls.certFile", certFile],
    ["tls.keyFile", keyFile],
    ["tls.caFile", caFile],
  ] as const) {
    try {
      texts.push(readFileSync(path, "utf8"));
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
      return bad(`${field}: got ${JSON.stringify(path)} (${String(error.code)}), want a PEM file that can be read`);
    }
  }
  const [certPem = "", keyPem = "", clientCaPem = ""] = texts;
  if (!areCertificates(clientCaPem)) {
    return bad(`tls.caFile: got ${JSON.stringify(caFile)}, want whole certificates, PEM`);
  }
  if (!areCertificates(certPem)) {
    return bad(`tls.certFile: got ${JSON.stringify(certFile)}, want whole certificates, PEM`);
  }
  if (!isPair(certPem, keyPem)) {
    return bad(
      `tls.keyFile: got ${JSON.stringify(keyFile)}, want the private key of tls.certFile, PEM, without passphrase`,
    );
  }
  const value = { certPem, keyPem, clientCaPem };
  const refused = refusalOf(createContext, value);
  return refused === undefined ? { kind: "read", value } : bad(unusable({ certFile, keyFile, caFile }, refused));
}

/** Throws OpenSSL's error for certificates that it refuses: it reads the whole chain, and refuses weak keys. */
function createContext({ certPem, keyPem, clientCaPem }: ListenerCertificates): void {
  createSecureContext({ cert: certPem, key: keyPem, ca: clientCaPem, minVersion: "TLSv1.3" });
}

/** The code of the error that `use` throws for these; undefined: it accepts them. */
function refusalOf(
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

function unusable({ certFile, keyFile, caFile }: TlsFiles, code: string): string {
  const got = [certFile, keyFile, caFile].map((path) => JSON.stringify(path)).join(", ");
  return `tls.certFile, tls.keyFile, tls.caFile: got ${got} (${code}), want certificates and a key that TLS takes`;
}

/** Warns of a problem when it differs from the last one. Undefined: there is no problem any more. */
function warnOnce(log: Logger): (problem: string | undefined) => void {
  let last: string | undefined;
  return (problem) => {
    if (problem !== undefined && problem !== last) log.warn(problem);
    last = problem;
  };
}

function bad(problem: string): FileRead<never> {
  return { kind: "bad", problem };
}

/** Whether the text is one or more whole certificates: OpenSSL silently stops at the first that it cannot read. */
function areCertificates(pem: string): boolean {
  const each = pem.split(/(?=-----BEGIN CERTIFICATE-----)/).filter((block) => block.startsWith("-----BEGIN CERT"));
  try {
    return each.length > 0 && each.every((block) => new X509Certificate(block).raw.length > 0);
  } catch {
    // OpenSSL's message says no more than that it is none.
    return false;
  }
}

function isPair(certPem: string, keyPem: string): boolean {
  try {
    return new X509Certificate(certPem).checkPrivateKey(createPrivateKey(keyPem));
  } catch {
    // The parser's message might quote the key.
    return false;
  }
}
