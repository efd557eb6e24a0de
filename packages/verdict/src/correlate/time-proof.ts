/** Plain NTP beside NTS at one time server: who answers over UDP 123, and which of the two names the fault. */
import type { Cause } from "@lifeline/measure";
import { type Entry, isAnswering, isFailing } from "../entry.ts";

/**
 * Where the server's proof is missing in the answers to NTS, plain answers may not be the server's either. They show
 * that something answers, not that it has the right time. No attempt failed, so the row is unknown (M4).
 */
export function withTimeProof(entry: Entry, entries: readonly Entry[]): Entry {
  if (!isAnswering(entry) || entry.target.options.probe !== "ntp") return entry;
  const unproven = entries.find((other) => isSameServer(other, entry, "nts") && isUnproven(other));
  if (unproven === undefined) return entry;
  return {
    ...entry,
    verdict: "unknown",
    cause: "time-unproven",
    onsetMs: unproven.onsetMs,
    followsFrom: unproven.target.id,
    evidence: `${entry.evidence} These answers prove nothing: the time server's own proof (NTS) is missing.`,
    nextStep: unproven.nextStep,
  };
}

function isUnproven(entry: Entry): boolean {
  return isFailing(entry) && entry.own.reason === "nts-unproven";
}

/** Causes at UDP 123 that stop NTS as well. */
const PORT_CAUSES: readonly Cause[] = ["timeout", "refused", "filtered", "unreachable", "rate-limited"];

/**
 * The fault of a time server that explains another: UDP 123 that of NTS after its key exchange; the missing proof that
 * of plain NTP.
 */
export function timeRoot(entry: Entry, failing: readonly Entry[]): Entry | undefined {
  const { probe } = entry.target.options;
  if (probe === "ntp" && entry.cause === "time-unproven") {
    return failing.find((other) => isSameServer(other, entry, "nts") && other.cause === "time-unproven");
  }
  const isUdp = probe === "nts" && entry.own.seen?.phase === "first-byte";
  if (!isUdp || entry.cause === "time-unproven") return undefined;
  return failing.find((other) => isSameServer(other, entry, "ntp") && PORT_CAUSES.includes(other.cause));
}

function isSameServer({ target: other }: Entry, { target }: Entry, probe: "ntp" | "nts"): boolean {
  return other.options.probe === probe && other.host === target.host && other.family === target.family;
}
