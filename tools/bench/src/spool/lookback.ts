/**
 * Twenty minutes of reports as an agent makes them: its own window accumulator and encoding, over attempts that were
 * never made, on a manual clock.
 */
import { createHash } from "node:crypto";
import { encodeParts } from "@lifeline/agent";
import { randomFrom } from "@lifeline/harness";
import { type ChainCertificate, manualClock, NS_PER_MS, type Sample, type Target } from "@lifeline/measure";
import { WindowAccumulator } from "@lifeline/prober";
import type { AgentSelfMetrics } from "@lifeline/wire";

/**
 * How the targets fare: all `well`; all `failing`, cut off after ten good seconds; `lossy`, each attempt lost with the
 * chance of one in twenty, so that runs turn and windows seal early all the time.
 */
export const CONDITIONS = ["well", "failing", "lossy"] as const;
export type Condition = (typeof CONDITIONS)[number];

/** Reports and what is in them. */
export interface Lookback {
  readonly reports: readonly Uint8Array[];
  readonly windows: number;
}

/** How long a lookback is, s: long enough for a hundred boundaries. */
export const LOOKBACK_S = 1_200;
/** Good seconds before all fails: an agent has seen its targets well before an outage. */
const WELL_FIRST_S = 10;
const LOSS_CHANCE = 0.05;
/** Wall time of the first second: any. */
const START_MS = Date.UTC(2026, 0, 1);
const LOSS_AFTER_MS = 950;

/** Makes the lookback. The same for the same arguments: chance is drawn from a generator that starts at one seed. */
export function lookbackOf(targets: readonly Target[], condition: Condition): Lookback {
  const clock = manualClock(START_MS);
  const chance = randomFrom(1);
  const reports: Uint8Array[] = [];
  let windows = 0;
  const accumulator = new WindowAccumulator({
    clock,
    sealed(sealed, sealedAtMs) {
      windows += sealed.length;
      reports.push(...encodeParts(sealedAtMs, sealed, selfMetricsAt(reports.length, chance)));
    },
  });
  const peers = targets.map((target) => peerOf(target, chance));
  for (let second = 0; second < LOOKBACK_S; second++) {
    for (const peer of peers) {
      const attempt = accumulator.begun(peer.target.id);
      const isLost = isLostAt(condition, second, chance);
      accumulator.ended(attempt, isLost ? lostSample(peer, clock.wallMs()) : goodSample(peer, clock.wallMs(), chance));
      clock.advance(1_000 / peers.length);
    }
  }
  accumulator.stop();
  return { reports, windows };
}

function isLostAt(condition: Condition, second: number, chance: () => number): boolean {
  switch (condition) {
    case "well":
      return false;
    case "failing":
      return second >= WELL_FIRST_S;
    case "lossy":
      return chance() < LOSS_CHANCE;
  }
}

/** The server at a target's endpoint. */
interface Peer {
  readonly target: Target;
  readonly baseRttNs: number;
  readonly address: string;
  readonly chain: readonly ChainCertificate[];
}

const INTERMEDIATES = ["R10", "WR2", "Sectigo ECC DV", "Amazon RSA 2048 M02"];

function peerOf(target: Target, chance: () => number): Peer {
  const { host, family } = target;
  const digest = createHash("sha256").update(host).digest();
  const [a = 0, b = 0, c = 0, d = 0] = digest;
  const intermediate = INTERMEDIATES[a % INTERMEDIATES.length] ?? "";
  const chain = [
    certificate(`CN=${host}`, `C=US, O=Authority, CN=${intermediate}`),
    certificate(`C=US, O=Authority, CN=${intermediate}`, "C=US, O=Authority, CN=Root X1"),
  ];
  const address =
    family === 4 ? `198.${a}.${b}.${c}` : `2001:db8:${a.toString(16)}:${b.toString(16)}::${d.toString(16)}`;
  // From the same city to another continent, evenly on a logarithmic scale: 5 to 200 ms.
  return {
    target,
    baseRttNs: 5 * NS_PER_MS * 40 ** chance(),
    address,
    chain: target.options.probe === "tls" ? chain : [],
  };
}

function certificate(subject: string, issuer: string): ChainCertificate {
  const sha256 = createHash("sha256").update(subject).digest("hex");
  const dates = { notBefore: "2026-01-01T00:00:00.000Z", notAfter: "2027-01-01T00:00:00.000Z" };
  return { subject, issuer, ...dates, sha256, anchor: false };
}

function goodSample({ target, baseRttNs, address, chain }: Peer, startedAtMs: number, chance: () => number): Sample {
  const rttNs = rttOf(baseRttNs, chance);
  const isTls = target.options.probe === "tls";
  const tlsNs = isTls ? Math.round(rttOf(baseRttNs, chance) * 1.1) : 0;
  const seen = isTls ? { tlsVersion: "TLSv1.3", alpn: "h2", chain } : {};
  return {
    targetId: target.id,
    startedAtMs,
    endedAtMs: startedAtMs + (rttNs + tlsNs) / NS_PER_MS,
    outcome: { reason: "answered", phase: isTls ? "tls" : "connect" },
    rtt: { ns: rttNs, source: "kernel" },
    phases: { dnsNs: Math.round(chance() * NS_PER_MS), connectNs: rttNs, ...(isTls ? { tlsNs } : {}) },
    evidence: { address, answers: [address], localAddress: "10.5.0.2", ...seen },
  };
}

function lostSample({ target, address }: Peer, startedAtMs: number): Sample {
  return {
    targetId: target.id,
    startedAtMs,
    endedAtMs: startedAtMs + LOSS_AFTER_MS,
    outcome: { reason: "timeout", phase: "connect" },
    phases: {},
    evidence: { address, answers: [address], localAddress: "10.5.0.2", code: "ETIMEDOUT" },
  };
}

/** A log-normal spread of 8 % about the base, and one in a hundred three times as long: queues on the way. */
function rttOf(baseNs: number, chance: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance());
  return Math.round(baseNs * Math.exp(0.08 * normal) * (chance() < 0.01 ? 3 : 1));
}

/** Figures that move as an agent's do. */
function selfMetricsAt(report: number, chance: () => number): AgentSelfMetrics {
  return {
    rssBytes: 88e6 + Math.floor(chance() * 4e6),
    cpuUs: report * 230_000 + Math.floor(chance() * 50_000),
    uptimeMs: report * 10_000,
    eventLoopMaxDelayNs: Math.floor(chance() * 3e6),
    spoolBytes: report * 6_000,
    spoolReports: report,
    spoolDroppedReports: 0,
    spoolMemoryReports: 0,
    missedTicks: 0,
    refusedReports: 0,
  };
}
