/** Certificates that have ended, that have not begun, and that end soon. */
import { type ChainCertificate, reasonFacts } from "@lifeline/measure";
import { endedAt, endsSoon, notBegunAt, type PlacedCertificate } from "../certificate-validity.ts";
import { CLOCK_UNMET_MS } from "../check-verdict.ts";
import type { Entry } from "../entry.ts";
import { certificatePhrase } from "../phrase.ts";
import { operatorOf, renewalStep } from "./certificate-owner.ts";
import type { CorrelationContext } from "./correlation-context.ts";

const MS_PER_HOUR = 3_600_000;
const MS_PER_DAY = 24 * MS_PER_HOUR;

/** A certificate that ends within this is urgent, ms: three days, a weekend. */
const URGENT_MS = 3 * MS_PER_DAY;

/** Says which certificate is outside its validity, or soon will be, and who renews it; or that the clock is wrong. */
export function withCertificateDates(entry: Entry, _: readonly Entry[], context: CorrelationContext): Entry {
  const { seen } = entry.own;
  const chain = seen?.evidence.chain ?? [];
  if (entry.verdict === "met") return withEndingSoon(entry, chain, context);
  if (entry.cause !== "clock" && entry.cause !== "tls-expired") return entry;
  const { clockOffsetMs: offsetMs } = context.node;
  const seenAtMs = seen?.endedAtMs ?? context.nowMs;
  const outside = entry.cause === "clock" ? notBegunAt : endedAt;
  const wrong = outside(chain, seenAtMs);
  // A clock explains only what is right by the clock that it is compared with.
  const remaining = outside(chain, seenAtMs + (offsetMs ?? 0));
  const isClockWrong = offsetMs !== undefined && Math.abs(offsetMs) >= CLOCK_UNMET_MS;
  if (isClockWrong && remaining.length === 0) return withClock(entry, offsetMs, context);
  if (wrong.length === 0) return entry;
  return entry.cause === "clock" ? notYetValid(entry, remaining, context) : expired(entry, wrong, context);
}

function withClock(entry: Entry, offsetMs: number, { node: { clockReference = "collector" } }: CorrelationContext) {
  const apart = `${Math.round(Math.abs(offsetMs) / 1_000)} s ${offsetMs > 0 ? "behind" : "ahead of"}`;
  const evidence = `${entry.evidence} The node's clock is ${apart} the ${clockReference}'s.`;
  const nextStep = "Node owner: correct the node's clock; see the time server rows.";
  return { ...entry, cause: "clock", evidence, nextStep } as const;
}

function expired(entry: Entry, ended: readonly PlacedCertificate[], context: CorrelationContext): Entry {
  const steps = new Set(ended.map((certificate) => renewalStep(entry, certificate, context)));
  const { clockOffsetMs } = context.node;
  if (clockOffsetMs === undefined) steps.add("Node owner: if the node's clock is ahead, correct that instead.");
  return { ...entry, nextStep: [...steps].join(" ") };
}

function notYetValid(entry: Entry, remaining: readonly PlacedCertificate[], context: CorrelationContext): Entry {
  const { clockOffsetMs, clockReference = "collector" } = context.node;
  const step = `${operatorOf(entry)}: serve a certificate that is valid now, because the CA dated this one ahead`;
  if (clockOffsetMs === undefined) {
    const nextStep = `Node owner: if the node's clock is behind, correct it; see the time server rows. If it is right: ${step}.`;
    return { ...entry, nextStep };
  }
  if (remaining.length === 0) return entry;
  const evidence = `${entry.evidence} It is not valid yet by the ${clockReference}'s clock either.`;
  return { ...entry, cause: "tls-not-yet-valid", evidence, nextStep: `${step}.` };
}

function withEndingSoon(entry: Entry, chain: readonly ChainCertificate[], context: CorrelationContext): Entry {
  const { site, nowMs, node } = context;
  const isGood = reasonFacts(entry.own.seen?.reason ?? "answered").cause === "none";
  if (site === undefined || !isGood) return entry;
  const trueMs = nowMs + (node.clockOffsetMs ?? 0);
  const soon = endsSoon(chain, trueMs, site.certificateEndsSoonMs, entry.own.seen?.endedAtMs ?? nowMs);
  if (soon === undefined) return entry;
  const endMs = Date.parse(soon.notAfter);
  const evidence = `${entry.evidence} The ${certificatePhrase(soon)} ends on ${soon.notAfter}, ${restPhrase(endMs - trueMs)}.`;
  if (entry.thirdParty || entry.comparison) return { ...entry, evidence };
  const step = renewalStep(entry, soon, context);
  const nextStep =
    endMs - trueMs <= URGENT_MS
      ? `URGENT, ${restPhrase(endMs - trueMs)} TLS to ${entry.target.host} fails: ${step}`
      : `${step} Do it before ${soon.notAfter}.`;
  const sinceMs = endMs - Math.min(site.certificateEndsSoonMs, (endMs - Date.parse(soon.notBefore)) / 5);
  const onsetMs = Math.min(Math.max(entry.onsetMs, sinceMs), nowMs);
  return { ...entry, verdict: "degraded", cause: "tls-ends-soon", onsetMs, evidence, nextStep };
}

function restPhrase(restMs: number): string {
  const hours = Math.max(0, Math.floor(restMs / MS_PER_HOUR));
  if (hours >= 2 * 24) return `in ${Math.floor(hours / 24)} days`;
  return hours === 1 ? "in 1 hour" : `in ${hours} hours`;
}
