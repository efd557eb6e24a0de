/**
 * The listener's certificates, read from files, and again when they change. Files that cannot be used leave the last
 * good ones in use, are logged once, and tried again.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import type { FileRead } from "@lifeline/identity";
import { pause } from "@lifeline/measure";
import type { ListenerCertificates } from "@lifeline/rpc";
import { ConfigError } from "@lifeline/settings";
import type { TlsFiles } from "../config/config.ts";
import { type CertificateSource, createContext, refusalOf, type SourceWorld, warnOnce } from "./certificate-source.ts";

/** How often files are checked for changes, ms. */
const FILES_LOOK_MS = 5_000;

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

function unusable({ certFile, keyFile, caFile }: TlsFiles, code: string): string {
  const got = [certFile, keyFile, caFile].map((path) => JSON.stringify(path)).join(", ");
  return `tls.certFile, tls.keyFile, tls.caFile: got ${got} (${code}), want certificates and a key that TLS takes`;
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
