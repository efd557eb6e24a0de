/** The certificate that a client has sent in the handshake. */
import { createHash, type X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { peerCertificate } from "./peer-certificate.ts";

/** A client's certificate. The client has proven that it has the key. */
export interface ClientCertificate {
  /** Empty unless the subject has exactly one. */
  readonly commonName: string;
  readonly organisations: readonly string[];
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hexadecimal. */
  readonly keySha256: string;
  /** As it was sent. */
  readonly der: Uint8Array;
  /** ms since the epoch */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /**
   * Why it is not valid, as OpenSSL's code (CERT_HAS_EXPIRED …); undefined: a trusted CA has signed it, and it has not
   * expired.
   */
  readonly problem: string | undefined;
}

/** The certificate of a connection whose handshake is complete; undefined: the client has sent none. */
export function clientCertificateOf(socket: TLSSocket): ClientCertificate | undefined {
  const certificate = peerCertificate(socket);
  if (certificate === undefined) return undefined;
  const { CN: commonName, O: organisations } = subjectOf(certificate);
  return {
    commonName: typeof commonName === "string" ? commonName : "",
    organisations: [organisations ?? []].flat(),
    keySha256: createHash("sha256")
      .update(certificate.publicKey.export({ format: "der", type: "spki" }))
      .digest("hex"),
    der: certificate.raw,
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
    problem: socket.authorized ? undefined : problemOf(socket),
  };
}

function subjectOf(certificate: X509Certificate): Readonly<Record<string, string | string[] | undefined>> {
  // Node's types say string; an attribute that occurs twice is a list.
  return certificate.toLegacyObject().subject as never;
}

function problemOf({ authorizationError }: TLSSocket): string {
  // Node's types say Error; it is OpenSSL's code.
  return typeof authorizationError === "string" ? authorizationError : "UNSPECIFIED";
}
