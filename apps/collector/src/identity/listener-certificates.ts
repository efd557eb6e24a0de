/**
 * What the gRPC listener shows of itself, and whose clients it believes: made by the fleet's authority, or read from files.
 *
 * 1. A certificate of the authority's is renewed at half its life, under a key that never leaves memory.
 * 2. Files are read again when they change; what cannot be used leaves the last good ones in use, and is told once.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { type Authority, type FileRead, type KeyPair, makeKeyPair } from "@lifeline/identity";
import { type Clock, pause } from "@lifeline/measure";
import type { ListenerCertificates } from "@lifeline/wire";
import type { Logger } from "pino";
import type { TlsFiles } from "../config.ts";
import { ConfigError } from "../config-error.ts";

/** How long a listener's certificate lasts, ms: a week, so that one that leaks is soon worth nothing. */
export const LISTENER_LIFETIME_MS = 7 * 24 * 3_600_000;

/** How often files are looked at, ms. */
const LOOK_EVERY_MS = 5_000;

/** The listener's certificates, now and later. */
export interface CertificateSource {
  readonly first: ListenerCertificates;
  /** Calls `renew` with each later ones until the signal aborts; what it throws is told and waited out. */
  follow(renew: (certificates: ListenerCertificates) => void, signal: AbortSignal): void;
}

/** What both sources need. */
export interface SourceWorld {
  readonly clock: Clock;
  readonly log: Logger;
}

/** Certificates that the fleet's authority makes for the names agents dial. */
export async function issuedCertificates(
  authority: Authority,
  names: readonly string[],
  { clock, log }: SourceWorld,
): Promise<CertificateSource> {
  const keys = makeKeyPair();
  const first = await issue(authority, names, keys, clock);
  return {
    first,
    follow(renew, signal) {
      void (async () => {
        for (;;) {
          await pause(clock, LISTENER_LIFETIME_MS / 2, signal);
          if (signal.aborted) return;
          renew(await issue(authority, names, keys, clock));
          log.info({ names }, "the listener's certificate was renewed");
        }
      })();
    },
  };
}

async function issue(authority: Authority, names: readonly string[], keys: KeyPair, clock: Clock) {
  const { publicKeyDer, privateKeyPem } = keys;
  const nowMs = clock.wallMs();
  const { pem } = await authority.issueServer({ names, publicKeyDer, nowMs, lifetimeMs: LISTENER_LIFETIME_MS });
  return { certPem: `${pem}${authority.certPem}`, keyPem: privateKeyPem, clientAuthorityPem: authority.certPem };
}

/** Certificates from files. @throws ConfigError */
export function certificatesFromFiles(files: TlsFiles, { clock, log }: SourceWorld): CertificateSource {
  const first = readAll(files);
  if (first.kind === "bad") throw new ConfigError([first.problem]);
  return {
    first: first.value,
    follow(renew, signal) {
      let latest = first.value;
      let told = "";
      void (async () => {
        for (;;) {
          await pause(clock, LOOK_EVERY_MS, signal);
          if (signal.aborted) return;
          // Read together, for a pair is replaced file by file.
          const read = readAll(files);
          if (read.kind === "bad") {
            if (read.problem !== told) log.warn(`${read.problem}; the certificates read before stay in use`);
            told = read.problem;
            continue;
          }
          told = "";
          if (isDeepStrictEqual(read.value, latest)) continue;
          latest = read.value;
          renew(latest);
          log.info(files, "the listener's certificates were read again");
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
  const [certPem = "", keyPem = "", clientAuthorityPem = ""] = texts;
  if (!isCertificate(clientAuthorityPem))
    return bad(`tls.caFile: got ${JSON.stringify(caFile)}, want a certificate, PEM`);
  if (!isCertificate(certPem)) return bad(`tls.certFile: got ${JSON.stringify(certFile)}, want a certificate, PEM`);
  if (!isPair(certPem, keyPem)) {
    return bad(
      `tls.keyFile: got ${JSON.stringify(keyFile)}, want the private key of tls.certFile, PEM, without passphrase`,
    );
  }
  return { kind: "read", value: { certPem, keyPem, clientAuthorityPem } };
}

function bad(problem: string): FileRead<never> {
  return { kind: "bad", problem };
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    // OpenSSL's words say no more than that it is none.
    return false;
  }
}

function isPair(certPem: string, keyPem: string): boolean {
  try {
    return new X509Certificate(certPem).checkPrivateKey(createPrivateKey(keyPem));
  } catch {
    // Over what the parser stumbled might quote the key.
    return false;
  }
}
