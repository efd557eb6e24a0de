/** Fingerprints of certificates, which people compare and agents pin. */
import { createHash } from "node:crypto";

/** The syntax of a fingerprint, for errors. */
export const FINGERPRINT_WANTED = "sha256: and 64 hexadecimal characters";

const FINGERPRINT = /^sha256:[0-9a-f]{64}$/;

/** SHA-256 (FIPS 180-4) of a certificate's DER, as `sha256:` and 64 lower-case hexadecimal characters. */
export function fingerprintOf(der: Uint8Array): string {
  return `sha256:${createHash("sha256").update(der).digest("hex")}`;
}

/** Reads a fingerprint as people write it, in any case and with colons between bytes; undefined: it is none. */
export function readFingerprint(text: string): string | undefined {
  const [scheme = "", ...rest] = text.trim().toLowerCase().split(":");
  const plain = `${scheme}:${rest.join("")}`;
  return FINGERPRINT.test(plain) ? plain : undefined;
}
