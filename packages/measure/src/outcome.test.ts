import { describe, expect, it } from "vitest";
import {
  type Blame,
  CAUSES,
  type Cause,
  isSilence,
  OUTCOME_KINDS,
  type OutcomeClass,
  type OutcomeKind,
  outcomeClassOf,
  PHASES,
  REASONS,
  type Reason,
  reasonFacts,
} from "./outcome.ts";

/** Kind, blame, cause and class of each reason. The type checks that none is missing. */
const FACTS: Record<Reason, readonly [OutcomeKind, Blame, Cause, OutcomeClass]> = {
  answered: ["answered", "none", "none", "good"],
  "dns-nxdomain": ["not-sent", "resolver", "dns-nxdomain", "bad"],
  "dns-nodata": ["not-sent", "none", "dns-nodata", "inconclusive"],
  "dns-servfail": ["not-sent", "resolver", "dns-servfail", "bad"],
  "dns-refused": ["not-sent", "resolver", "dns-refused", "bad"],
  "dns-timeout": ["not-sent", "resolver", "dns-timeout", "bad"],
  "dns-unreachable": ["not-sent", "resolver", "dns-unreachable", "bad"],
  "dns-malformed": ["not-sent", "resolver", "dns-malformed", "bad"],
  refused: ["rejected", "peer", "refused", "bad"],
  timeout: ["lost", "path", "timeout", "bad"],
  "host-unreachable": ["rejected", "path", "unreachable", "bad"],
  "network-unreachable": ["not-sent", "node", "unreachable", "bad"],
  "admin-prohibited": ["rejected", "path", "filtered", "bad"],
  reset: ["rejected", "path", "reset", "bad"],
  "handshake-timeout": ["rejected", "path", "timeout", "bad"],
  "tls-untrusted": ["rejected", "interception", "tls-untrusted", "bad"],
  "tls-name-mismatch": ["rejected", "peer", "tls-name", "bad"],
  "tls-not-yet-valid": ["rejected", "node", "clock", "bad"],
  "tls-expired": ["rejected", "peer", "tls-expired", "bad"],
  "tls-protocol": ["rejected", "peer", "tls-protocol", "bad"],
  "tls-alert": ["rejected", "peer", "tls-protocol", "bad"],
  "tls-plaintext": ["rejected", "peer", "tls-protocol", "bad"],
  "alpn-mismatch": ["rejected", "peer", "tls-protocol", "bad"],
  "http-status": ["rejected", "peer", "http-status", "bad"],
  "http-redirected": ["rejected", "interception", "http-redirected", "bad"],
  "http-protocol": ["rejected", "peer", "http-protocol", "bad"],
  "grpc-protocol": ["rejected", "peer", "grpc-protocol", "bad"],
  "stamp-malformed": ["rejected", "peer", "stamp-protocol", "bad"],
  "answer-servfail": ["rejected", "resolver", "dns-servfail", "bad"],
  "answer-refused": ["rejected", "resolver", "dns-refused", "bad"],
  "answer-malformed": ["rejected", "resolver", "dns-malformed", "bad"],
  silent: ["silent", "none", "no-evidence", "silent"],
  late: ["late", "path", "latency", "good"],
  stalled: ["not-sent", "agent", "not-measured", "inconclusive"],
  "agent-overload": ["not-sent", "agent", "not-measured", "inconclusive"],
  "agent-resource": ["not-sent", "agent", "not-measured", "inconclusive"],
  "stamp-unkeyed": ["not-sent", "agent", "stamp-key", "inconclusive"],
  "tls-incomplete-chain": ["rejected", "peer", "tls-incomplete-chain", "bad"],
  "proxy-unreachable": ["not-sent", "proxy", "proxy", "bad"],
  "proxy-refused": ["not-sent", "proxy", "proxy", "bad"],
  "proxy-auth": ["not-sent", "proxy", "proxy", "bad"],
  "mtu-too-small": ["rejected", "path", "path-mtu", "bad"],
  "link-alive": ["observed", "none", "none", "good"],
  "link-idle": ["observed", "none", "no-evidence", "inconclusive"],
  "link-frozen": ["observed", "path", "timeout", "bad"],
  "link-absent": ["observed", "node", "not-joined", "bad"],
  "link-no-address": ["observed", "node", "ipv6-disabled", "bad"],
  "syn-lost": ["lost", "path", "loss", "good"],
  "rate-limited": ["rejected", "peer", "rate-limited", "bad"],
  "rate-held": ["not-sent", "peer", "rate-limited", "bad"],
  "unexpected-page": ["rejected", "interception", "unexpected-page", "bad"],
  "upstream-down": ["rejected", "peer", "upstream-down", "bad"],
  "grpc-other-server": ["rejected", "peer", "not-machine-api", "bad"],
  "grpc-denied": ["rejected", "peer", "grpc-denied", "bad"],
  "grpc-credentials": ["rejected", "peer", "grpc-credentials", "bad"],
  "grpc-status": ["rejected", "peer", "grpc-status", "bad"],
  "not-a-registry": ["rejected", "peer", "not-a-registry", "bad"],
  "registry-private": ["answered", "none", "none", "good"],
  "object-missing": ["rejected", "peer", "object-missing", "bad"],
  "token-host-unreachable": ["rejected", "path", "token-host", "bad"],
  "object-unproven": ["rejected", "none", "object-missing", "inconclusive"],
  "token-host-undocumented": ["rejected", "none", "no-evidence", "inconclusive"],
  "redirect-not-allowed": ["not-sent", "interception", "http-redirected", "bad"],
  "time-unsynchronised": ["rejected", "peer", "time-unsynchronised", "bad"],
  "ntp-stray": ["lost", "interception", "time-unproven", "bad"],
  "nts-key-exchange": ["rejected", "peer", "time-unproven", "bad"],
  "nts-refused": ["rejected", "peer", "time-unproven", "bad"],
  "nts-silent": ["lost", "path", "timeout", "bad"],
  "nts-unproven": ["rejected", "interception", "time-unproven", "bad"],
  "nts-nak": ["rejected", "peer", "time-unproven", "bad"],
  "proxy-auth-scheme": ["not-sent", "proxy", "proxy", "bad"],
  "proxy-untrusted": ["not-sent", "proxy", "proxy", "bad"],
  "tunnel-one-way": ["lost", "path", "timeout", "bad"],
};

describe("every reason", () => {
  it.each(REASONS.map((reason) => ({ reason })))("$reason has its kind, blame, cause and class", ({ reason }) => {
    const { kind, blame, cause, meaning } = reasonFacts(reason);
    expect([kind, blame, cause, outcomeClassOf(reason)]).toEqual(FACTS[reason]);
    expect(meaning).toMatch(/^[a-zA-Z].*[^.]$/);
  });

  it("has a meaning of its own, except that dns-… and answer-… reasons may share theirs", () => {
    const meanings = REASONS.map((reason) => [reason.replace(/^answer-/, "dns-"), reasonFacts(reason).meaning]);
    const unlike = new Map(meanings.map(([name, meaning]) => [meaning, name]));
    for (const [name, meaning] of meanings) expect(unlike.get(meaning)).toBe(name);
  });

  it("has a cause and a kind from the closed lists, which hold no duplicates", () => {
    for (const list of [OUTCOME_KINDS, PHASES, CAUSES, REASONS]) expect(new Set(list).size).toBe(list.length);
    expect(REASONS.every((reason) => CAUSES.includes(reasonFacts(reason).cause))).toBe(true);
    expect([...new Set(REASONS.map((reason) => reasonFacts(reason).kind))].sort()).toEqual([...OUTCOME_KINDS].sort());
  });
});

it.each<[Reason, boolean]>([
  ["timeout", true],
  ["late", true],
  ["dns-timeout", true],
  ["refused", false],
  ["handshake-timeout", false],
  ["dns-servfail", false],
  ["link-frozen", false],
])("%s is silence: %s", (reason, isOne) => {
  expect(isSilence(reason)).toBe(isOne);
});
