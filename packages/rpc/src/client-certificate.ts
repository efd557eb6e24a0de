/** The certificate that a client has shown in the handshake, as calls are told of it. */
import { createHash, type X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { peerCertificate } from "./peer-certificate.ts";

/** The certificate a client has shown, whose key it has proven. */
export interface ClientCertificate {
  /** Empty unless the subject has exactly one. */
  readonly commonName: string;
  readonly organisations: readonly string[];
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hexadecimal. */
  readonly keySha256: string;
  /** As it was shown. */
  readonly der: Uint8Array;
  /** ms since the epoch */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Why it is not to be believed, in OpenSSL's word (CERT_HAS_EXPIRED …); undefined: it is of the listener's authority and in time. */
  readonly problem: string | undefined;
}

/** The certificate of a connection whose handshake is complete; undefined: none was shown. */
export function clientCertificateOf(socket: TLSSocket): ClientCertificate | undefined {
  const shown = peerCertificate(socket);
  if (shown === undefined) return undefined;
  const { CN: commonName, O: organisations } = subjectOf(shown);
  return {
    commonName: typeof commonName === "string" ? commonName : "",
    organisations: [organisations ?? []].flat(),
    keySha256: createHash("sha256")
      .update(shown.publicKey.export({ format: "der", type: "spki" }))
      .digest("hex"),
    der: shown.raw,
    notBeforeMs: shown.validFromDate.getTime(),
    notAfterMs: shown.validToDate.getTime(),
    problem: socket.authorized ? undefined : problemOf(socket),
  };
}

function subjectOf(certificate: X509Certificate): Readonly<Record<string, string | string[] | undefined>> {
  // Node's types have the values as single strings; an attribute that occurs twice is a list.
  return certificate.toLegacyObject().subject as never;
}

function problemOf({ authorizationError }: TLSSocket): string {
  // Node's types say Error; it is OpenSSL's word.
  return typeof authorizationError === "string" ? authorizationError : "UNSPECIFIED";
}
