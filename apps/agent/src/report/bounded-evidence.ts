/**
 * Evidence within the wire's limits. A peer chooses much of it, and one value that the collector refuses would cost a
 * whole report.
 */
import type { ChainCertificate, Evidence } from "@lifeline/measure";
import { MAX_EVIDENCE_ENTRIES, MAX_EVIDENCE_LENGTH } from "@lifeline/wire";

/** Text as the wire admits it: control characters become spaces, and it is cut at MAX_EVIDENCE_LENGTH. */
function boundedText(text: string): string {
  const cut = text.length > MAX_EVIDENCE_LENGTH ? text.slice(0, MAX_EVIDENCE_LENGTH) : text;
  return cut.replace(/\p{Cc}/gu, " ");
}

function boundedList(entries: readonly string[]): string[] {
  return entries.slice(0, MAX_EVIDENCE_ENTRIES).map(boundedText);
}

function boundedCertificate(certificate: ChainCertificate): ChainCertificate {
  const { subject, issuer, notBefore, notAfter, sha256, anchor } = certificate;
  return {
    anchor,
    subject: boundedText(subject),
    issuer: boundedText(issuer),
    notBefore: boundedText(notBefore),
    notAfter: boundedText(notAfter),
    sha256: boundedText(sha256),
  };
}

/** The evidence with every text and list cut to the wire's limits (S2). */
export function boundedEvidence(evidence: Evidence): Evidence {
  const { address, answers, addresses, code, tlsVersion, alpn, chain, redirects, ...numbers } = evidence;
  return {
    ...numbers,
    ...(address === undefined ? {} : { address: boundedText(address) }),
    ...(answers === undefined ? {} : { answers: boundedList(answers) }),
    ...(addresses === undefined ? {} : { addresses: boundedList(addresses) }),
    ...(code === undefined ? {} : { code: boundedText(code) }),
    ...(tlsVersion === undefined ? {} : { tlsVersion: boundedText(tlsVersion) }),
    ...(alpn === undefined ? {} : { alpn: boundedText(alpn) }),
    ...(chain === undefined ? {} : { chain: chain.slice(0, MAX_EVIDENCE_ENTRIES).map(boundedCertificate) }),
    ...(redirects === undefined ? {} : { redirects: boundedList(redirects) }),
  };
}
