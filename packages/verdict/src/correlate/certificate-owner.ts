/** Who must renew a certificate of a chain. */

import type { PlacedCertificate } from "../certificate-validity.ts";
import { type Entry, isAt } from "../entry.ts";
import { quoted } from "../phrase.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { declaredIn } from "./declared-inspection.ts";

/**
 * What its owner does. The server's owner has its own certificate and the intermediates; a private CA's owner has the
 * CA; the node has the public roots.
 */
export function renewalStep(
  entry: Entry,
  certificate: PlacedCertificate,
  { site }: Pick<CorrelationContext, "site">,
): string {
  const { target, own } = entry;
  const { host } = target;
  const server = operatorOf(entry);
  const name = quoted(certificate.subject);
  const chain = own.seen?.evidence.chain ?? [];
  if (declaredIn(chain, site) !== undefined) {
    return `Owner of the TLS inspection: renew ${name}, which it shows for ${host}.`;
  }
  if (certificate.place === 0) {
    const trusted = certificate.anchor ? "; deployment owner: put the new one into its caFile" : "";
    return `${server}: renew the certificate of ${host}${trusted}.`;
  }
  const isPrivate = "trust" in target.options && target.options.trust?.kind === "private";
  if (certificate.anchor) {
    return isPrivate
      ? `Owner of the private CA ${name}: renew it; deployment owner: put the new certificate into caFile.`
      : `Node owner: update Talos, whose trust store holds the root ${name}; or ${server}: serve a chain to another root.`;
  }
  return isPrivate
    ? `Owner of the private CA ${quoted(certificate.issuer)}: renew ${name}; ${server}: serve the new one with the server's certificate.`
    : `${server}: serve the renewed intermediate ${name} of ${quoted(certificate.issuer)} with the server's certificate.`;
}

/** Who runs the endpoint, as next steps address them. */
export function operatorOf(entry: Entry): string {
  const isOmni = isAt(entry, "api") || isAt(entry, "machine-api");
  return isOmni && !entry.thirdParty ? "Omni owner" : `Owner of ${entry.target.host}`;
}
