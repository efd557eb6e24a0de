/** Interception of TLS, and clocks that make certificates look wrong. */
import { type InterceptionSigns, matchesHost } from "@lifeline/catalogue";
import { type ChainCertificate, endpointName, type Target } from "@lifeline/measure";
import { CLOCK_UNMET_MS } from "../check-verdict.ts";
import type { Entry } from "../entry.ts";
import type { NodeContext } from "../node-context.ts";
import { quoted } from "../phrase.ts";
import type { CorrelationContext } from "./correlation-context.ts";

/** Names interception where the chain shows it, and the clock where the node's clock makes certificates look wrong. */
export function withCertificateCause(entry: Entry, _: readonly Entry[], context: CorrelationContext): Entry {
  if (entry.cause === "clock" || entry.cause === "tls-expired") return withClock(entry, context.node);
  if (entry.verdict !== "met" && entry.cause !== "tls-untrusted") return entry;
  const chain = entry.own.seen?.evidence.chain;
  if (chain === undefined || chain.length === 0) return entry;
  const why = interceptionOf(entry, chain, context);
  if (why === undefined) return entry;
  const where = endpointName(entry.target.host, entry.target.port);
  return {
    ...entry,
    verdict: entry.verdict === "met" ? "degraded" : entry.verdict,
    cause: "tls-intercepted",
    evidence: `${entry.evidence} ${why}`,
    nextStep: `Network team: exempt this node's TLS to ${where} from inspection.`,
  };
}

function withClock(entry: Entry, { clockOffsetMs: offsetMs, clockReference = "collector" }: NodeContext): Entry {
  if (offsetMs === undefined || Math.abs(offsetMs) < CLOCK_UNMET_MS) return entry;
  const apart = `${Math.round(Math.abs(offsetMs) / 1_000)} s ${offsetMs > 0 ? "behind" : "ahead of"}`;
  const evidence = `${entry.evidence} The node's clock is ${apart} the ${clockReference}'s.`;
  const nextStep = "Node owner: correct the node's clock; see the time server rows.";
  return { ...entry, cause: "clock", evidence, nextStep };
}

function interceptionOf(
  { target, cause }: Entry,
  chain: readonly ChainCertificate[],
  { interception, node }: CorrelationContext,
): string | undefined {
  const issuer = chain[0]?.issuer ?? "";
  const isPublic = trustOf(target) === "public";
  const vendor = vendorIn(chain, interception);
  if (vendor !== undefined && (isPublic || cause === "tls-untrusted")) {
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
