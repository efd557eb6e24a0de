/** A chain that does not lead to a trusted CA: what is missing, on which side. */
import { X509Certificate } from "node:crypto";
import { type ChainCertificate, certificatesOf, type Trust, targetPlace } from "@lifeline/measure";
import type { Entry } from "../entry.ts";
import { isFailing } from "../entry.ts";
import { quoted } from "../phrase.ts";
import { intercepted } from "./certificate-cause.ts";
import { operatorOf } from "./certificate-owner.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { declaredIn, isNamedByHash, TRUST_DECLARED_STEP } from "./declared-inspection.ts";

/** Names the certificate that the chain lacks, and both readings where the chain alone cannot tell. */
export function withUntrustedChain(entry: Entry, entries: readonly Entry[], { site }: CorrelationContext): Entry {
  if (!isFailing(entry) || (entry.cause !== "tls-untrusted" && entry.cause !== "tls-incomplete-chain")) return entry;
  const top = entry.own.seen?.evidence.chain?.at(-1);
  if (top === undefined || !("trust" in entry.target.options)) return entry;
  // The step for a declared inspection stands: to declare it again would contradict the evidence.
  if (declaredIn(entry.own.seen?.evidence.chain ?? [], site) !== undefined) return entry;
  const other = entries.find((one) => isForged(one) && leafIssuer(one) === leafIssuer(entry));
  if (other !== undefined) {
    const why = `${quoted(leafIssuer(entry))} also issues what this node sees at ${other.target.host}.`;
    return intercepted(entry, why, isNamedByHash(site));
  }
  if (top.anchor) return { ...entry, ...unfitFor(entry, top) };
  const read = { ...entry, ...readingOf(entry, top, entry.target.options.trust) };
  const mayBeDeclared = isNamedByHash(site) && entry.requirement.inspectionBreaks === undefined;
  return mayBeDeclared ? { ...read, nextStep: read.nextStep.replace(/\.$/, `; ${TRUST_DECLARED_STEP}.`) } : read;
}

function readingOf(entry: Entry, top: ChainCertificate, trust: Trust | undefined): Partial<Reading> {
  if (trust?.kind === "private") return underPrivateCa(entry, top, subjectsOf(trust.caPem));
  return entry.thirdParty ? { nextStep: thirdPartyStep(entry) } : underPublicCa(entry, top);
}

/** A chain that is trusted may be of a public CA that the host has just changed to. */
function isForged({ verdict, cause }: Entry): boolean {
  return verdict === "unmet" && cause === "tls-intercepted";
}

function leafIssuer({ own }: Entry): string {
  return own.seen?.evidence.chain?.[0]?.issuer ?? "";
}

type Reading = Pick<Entry, "evidence" | "nextStep">;

/** The chain leads to a trusted CA, and one of its certificates may not be used so: as a CA, or by a server. */
function unfitFor(entry: Entry, top: ChainCertificate): Reading {
  const code = entry.own.seen?.evidence.code ?? "its check";
  const exempt = `network team: or exempt ${entry.target.host} from TLS interception`;
  return {
    evidence: `${entry.evidence} The chain leads to ${quoted(top.subject)}, which is trusted; one of its certificates may not be used so.`,
    nextStep: `${operatorOf(entry)}: serve a certificate that clients accept (${code}: check key usage, basic constraints, key size and signature of the chain); ${exempt}.`,
  };
}

function underPrivateCa(entry: Entry, top: ChainCertificate, known: readonly string[]): Reading {
  const hasIntermediate = (entry.own.seen?.evidence.chain?.length ?? 0) > 1;
  const { host } = entry.target;
  const holds = `caFile holds ${known.slice(0, 3).map(quoted).join(", ")}`;
  const [subject, issuer] = [quoted(top.subject), quoted(top.issuer)];
  const exempt = `network team: if it is not, exempt ${host} from TLS interception`;
  if (known.includes(top.issuer)) {
    return {
      evidence: `${entry.evidence} ${holds}, but its key did not sign ${subject}: the CA has a new key, or this is a forgery.`,
      nextStep: `Deployment owner: if ${issuer} is your CA, put its present certificate into caFile; ${exempt}.`,
    };
  }
  if (top.subject === top.issuer) {
    return {
      evidence: `${entry.evidence} The server's chain ends at ${subject}, which signed itself; ${holds}.`,
      nextStep: `Deployment owner: if ${subject} is your CA, add it to caFile; ${exempt}.`,
    };
  }
  const evidence = `${entry.evidence} ${issuer} issued ${subject}; the server did not send it, and ${holds}.`;
  // A server that sends an intermediate leaves out the root, as it should.
  const nextStep = hasIntermediate
    ? `Deployment owner: if ${issuer} is your CA, add it to caFile; ${operatorOf(entry)}: if it is one more intermediate, send it with the server's certificate; ${exempt}.`
    : `${operatorOf(entry)}: send the intermediate ${issuer} with the server's certificate; deployment owner: or, if ${issuer} is the CA itself, add it to caFile.`;
  return { evidence, nextStep };
}

function underPublicCa(entry: Entry, top: ChainCertificate): Reading {
  const { host } = entry.target;
  const [subject, issuer] = [quoted(top.subject), quoted(top.issuer)];
  const intercepted = `network team: or exempt ${host} from TLS interception`;
  if (top.subject === top.issuer) {
    return {
      evidence: `${entry.evidence} The server's chain ends at ${subject}, which signed itself.`,
      nextStep: `Deployment owner: if ${subject} is your private CA, name it as caFile; ${intercepted}.`,
    };
  }
  return {
    evidence: `${entry.evidence} ${issuer} issued ${subject}; the server did not send it, and it is no public CA.`,
    nextStep: `${operatorOf(entry)}: send the intermediate ${issuer} with the server's certificate; deployment owner: or, if ${issuer} is your private CA, name it as caFile; ${intercepted}.`,
  };
}

function thirdPartyStep(entry: Entry): string {
  const where = targetPlace(entry.target);
  if (entry.cause === "tls-incomplete-chain") return entry.nextStep;
  return `Network team: exempt ${where} from TLS interception; deployment owner: or, if the site inspects TLS on purpose, declare its CA (egress.tlsInspection).`;
}

/** The names of a PEM text's certificates, as evidence prints them. Those that cannot be read are left out. */
function subjectsOf(pem: string): readonly string[] {
  return certificatesOf(pem).flatMap((block) => {
    try {
      return [new X509Certificate(block).subject.replaceAll("\n", ", ")];
    } catch {
      return [];
    }
  });
}
