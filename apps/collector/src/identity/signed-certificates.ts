/** Which client certificates the fleet CA has signed for nodes, ended ones among them. */
import { X509Certificate } from "node:crypto";
import { type FleetCa, ROLE_ORGANISATIONS } from "@lifeline/identity";
import type { ClientCertificate } from "@lifeline/rpc";

/**
 * OpenSSL's errors for a certificate that has ended, or that lies in the future because the collector's clock was set
 * back.
 */
const RENEWABLE: readonly string[] = ["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"];

/** Extended key usage of a client (RFC 5280 §4.2.1.12). */
const CLIENT_AUTH_OID = "1.3.6.1.5.5.7.3.2";

const ROLES: readonly string[] = Object.values(ROLE_ORGANISATIONS);

/** Checks certificates, and keeps each result: a client that calls without end has its signature checked once. */
export class SignedCertificates {
  /** By certificate, which belongs to one connection. */
  readonly #checked = new WeakMap<ClientCertificate, boolean>();

  /** Whether the CA has signed it for a node. */
  has(ca: FleetCa, certificate: ClientCertificate): boolean {
    const isSigned = this.#checked.get(certificate) ?? isSignedForNode(ca, certificate);
    this.#checked.set(certificate, isSigned);
    return isSigned;
  }
}

/** OpenSSL's error for an expired certificate may hide another one, so the signature is checked again. */
function isSignedForNode({ certDer }: FleetCa, { problem, der, organisations }: ClientCertificate): boolean {
  if (organisations.some((organisation) => ROLES.includes(organisation))) return false;
  if (problem === undefined) return true;
  if (!RENEWABLE.includes(problem)) return false;
  const certificate = new X509Certificate(der);
  // Undefined for a certificate without the extension, though Node's types do not say so.
  const usage: readonly string[] | undefined = certificate.keyUsage;
  if (usage !== undefined && !usage.includes(CLIENT_AUTH_OID)) return false;
  return certificate.verify(new X509Certificate(certDer).publicKey);
}
