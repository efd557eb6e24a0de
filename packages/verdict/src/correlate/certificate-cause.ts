/** Interception of TLS: by an unknown box, or by the site's own CA. */
import type { InterceptionSigns } from "@lifeline/catalogue";
import { type Cause, type ChainCertificate, endpointName, matchesHost, type Target } from "@lifeline/measure";
import { type Entry, isFailing } from "../entry.ts";
import { quoted } from "../phrase.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { declaredIn, isNamedByHash, TRUST_DECLARED_STEP } from "./declared-inspection.ts";

/** The causes that a box's certificate may have. */
const CERTIFICATE_CAUSES: readonly Cause[] = ["tls-untrusted", "tls-incomplete-chain", "tls-name", "tls-expired"];

/** Names interception where the chain shows it. What the deployment declares is a fact, and no fault. */
export function withCertificateCause(entry: Entry, _: readonly Entry[], context: CorrelationContext): Entry {
  if (entry.verdict !== "met" && !CERTIFICATE_CAUSES.includes(entry.cause)) return entry;
  const chain = entry.own.seen?.evidence.chain;
  if (chain === undefined || chain.length === 0) return entry;
  const declared = declaredIn(chain, context.site);
  if (declared !== undefined) return withDeclared(entry, declared);
  const why = interceptionOf(entry, chain, context);
  if (why === undefined) return entry;
  const onsetMs = entry.verdict === "met" ? interceptedSinceMs(entry, context) : entry.onsetMs;
  return { ...intercepted(entry, why, isNamedByHash(context.site)), onsetMs };
}

/** A target that answers may have answered long before the box came: it is intercepted since that was seen. */
function interceptedSinceMs({ target, own, onsetMs }: Entry, { previous }: CorrelationContext): number {
  const was = previous?.get(target.id);
  if (was?.cause === "tls-intercepted" && was.onsetMs !== undefined) return was.onsetMs;
  return own.seen?.endedAtMs ?? onsetMs;
}

/** `mayBeDeclared`: a declared CA is known by its SHA-256 alone, and the chain may be its own. */
export function intercepted(entry: Entry, why: string, mayBeDeclared = false): Entry {
  const where = endpointName(entry.target.host, entry.target.port);
  const { inspectionBreaks } = entry.requirement;
  const purpose =
    mayBeDeclared && isFailing(entry)
      ? `; ${TRUST_DECLARED_STEP}`
      : "; deployment owner: or, if the site inspects TLS on purpose, declare its CA (egress.tlsInspection)";
  return {
    ...entry,
    verdict: entry.verdict === "met" ? "degraded" : entry.verdict,
    cause: "tls-intercepted",
    evidence: `${entry.evidence} ${why}${oldVersion(entry)}`,
    nextStep: `Network team: exempt this node's TLS to ${where} from inspection by the filter on the path${inspectionBreaks === undefined ? purpose : ""}.`,
  };
}

/** The public hosts speak TLS 1.3, which the probes offer. */
function oldVersion({ own, thirdParty }: Entry): string {
  return thirdParty && own.seen?.evidence.tlsVersion === "TLSv1.2" ? " It agrees to no more than TLS 1.2." : "";
}

/** A declared CA explains who issued the certificate. Every other fault of the certificate stays. */
function withDeclared(entry: Entry, subject: string): Entry {
  const { inspectionBreaks } = entry.requirement;
  const { host } = entry.target;
  const fact = `The site inspects this TLS: its chain holds ${quoted(subject)}, a CA that the deployment declares.`;
  if (inspectionBreaks !== undefined) {
    return intercepted(entry, `${fact} Inspection is a fault here: ${inspectionBreaks}.`);
  }
  const evidence = `${entry.evidence} ${fact}`;
  if (isFailing(entry) && entry.cause === "tls-name") {
    return { ...entry, evidence, nextStep: `Owner of the TLS inspection: show a certificate for ${host}.` };
  }
  if (isFailing(entry) && entry.cause !== "tls-expired") {
    const nextStep = `Node owner: make the node trust ${quoted(subject)} (Talos: TrustedRootsConfig; the agent: NODE_EXTRA_CA_CERTS); deployment owner: or declare it by caFile.`;
    return { ...entry, evidence, nextStep };
  }
  return { ...entry, evidence };
}

function interceptionOf(
  { target, cause }: Entry,
  chain: readonly ChainCertificate[],
  { interception, node }: CorrelationContext,
): string | undefined {
  const issuer = chain[0]?.issuer ?? "";
  const isPublic = trustOf(target) === "public";
  const vendor = vendorIn(chain, interception);
  if (vendor !== undefined && (isPublic || cause !== "none")) {
    return `The chain names ${vendor}, which intercepts TLS.`;
  }
  if (isPublic && isUnexpected(target.host, chain, interception)) {
    return `${quoted(issuer)} is not a known issuer of ${target.host}.`;
  }
  const fleet = cause === "tls-untrusted" ? node.fleetIssuer?.(target.id) : undefined;
  if (fleet === undefined || fleet === issuer) return undefined;
  return `Most nodes see the issuer ${quoted(fleet)}; this node sees ${quoted(issuer)}.`;
}

function trustOf({ options }: Target): "public" | "private" | undefined {
  return "trust" in options ? options.trust?.kind : undefined;
}

function vendorIn(chain: readonly ChainCertificate[], signs: InterceptionSigns | undefined): string | undefined {
  // The subject of the leaf names the server, which may be a vendor's.
  const names = chain.flatMap(({ subject, issuer }, at) => (at === 0 ? [issuer] : [subject, issuer]));
  const text = names.join("\n").toLowerCase();
  return signs?.vendors.find(({ marks }) => marks.some((mark) => text.includes(mark.toLowerCase())))?.name;
}

/** Whether the issuers of the host are known and none of them issued a certificate of the chain. */
function isUnexpected(host: string, chain: readonly ChainCertificate[], signs: InterceptionSigns | undefined): boolean {
  const lists = (signs?.expected ?? []).filter(({ hosts }) => hosts.some((pattern) => matchesHost(pattern, host)));
  if (lists.length === 0) return false;
  const expected = new Set(lists.flatMap(({ issuers }) => issuers.map((issuer) => issuer.toLowerCase())));
  return !chain.some(({ issuer }) => attributesOf(issuer).some((value) => expected.has(value)));
}

/** The values of a distinguished name (CN=…, O=…) in lower case, for any separator. */
function attributesOf(name: string): readonly string[] {
  return name.split(/[,+/\n]\s*(?=[A-Za-z][A-Za-z0-9.]*=)/).map((part) =>
    part
      .slice(part.indexOf("=") + 1)
      .trim()
      .replace(/^"|"$/g, "")
      .toLowerCase(),
  );
}
