/** The CA by which the site says that it inspects TLS. */
import type { SiteFacts } from "@lifeline/catalogue";
import type { ChainCertificate } from "@lifeline/measure";

/**
 * The name of the declared CA in the chain, or of the one that issued it. A node that does not trust the CA cannot show
 * it, unless the server sends it; then the issuer's name has to do. Undefined: none is in it.
 */
export function declaredIn(chain: readonly ChainCertificate[], site: SiteFacts | undefined): string | undefined {
  const cas = site?.inspectionCas ?? [];
  const shown = chain.find(({ sha256 }) => cas.some((ca) => ca.sha256 === sha256));
  if (shown !== undefined) return shown.subject;
  const top = chain.at(-1);
  return top?.anchor === false ? cas.find(({ subject }) => subject === top.issuer)?.subject : undefined;
}

/** Whether a declared CA is known by its SHA-256 alone: a chain that this node cannot follow may be its own. */
export function isNamedByHash(site: SiteFacts | undefined): boolean {
  return site?.inspectionCas.some(({ subject }) => subject === undefined) === true;
}

/** What to do where such a chain is the inspection that the deployment declares. */
export const TRUST_DECLARED_STEP =
  "node owner: or, if it is the inspection that the deployment declares by SHA-256, make the node trust its CA";
