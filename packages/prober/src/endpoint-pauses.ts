/**
 * Endpoints that asked to be left alone (Retry-After, RFC 9110 §10.2.3). They are not asked before their pause is over.
 *
 * A pause holds for every target of the same protocol at the endpoint, whatever its path or address family. That of a
 * time server (kiss-o'-death, RFC 5905 §7.4) holds for NTP and for NTS, whose key exchange has another port. A tick
 * that falls into a pause makes a sample of its own, so that the row says what it waits for, and does not look like one
 * without data (M4).
 */
import { type Clock, NS_PER_MS, type ProbeKind, RecentMap, type Sample, type Target } from "@lifeline/measure";

/** Most endpoints whose pauses are kept; a node has at most 512 targets (S2). */
const PAUSES_MAX = 512;

/** Probes that make requests of one protocol. Those that are not listed are protocols of their own. */
const PROTOCOL: Partial<Record<ProbeKind, string>> = {
  http: "http",
  grpc: "http",
  registry: "http",
  ntp: "time",
  nts: "time",
};

interface Pause {
  /** Monotonic time, ns. */
  readonly untilNs: number;
  readonly evidence: Sample["evidence"];
}

/** The pauses of all endpoints of this node. */
export class EndpointPauses {
  readonly #clock: Pick<Clock, "monotonicNs" | "wallMs">;
  readonly #pauses = new RecentMap<Pause>(PAUSES_MAX);

  constructor(clock: Pick<Clock, "monotonicNs" | "wallMs">) {
    this.#clock = clock;
  }

  /** The sample of a tick within a pause; undefined: the endpoint may be asked. */
  heldSample(target: Target): Sample | undefined {
    const pause = this.#pauses.get(keyOf(target));
    const leftNs = (pause?.untilNs ?? 0) - this.#clock.monotonicNs();
    if (pause === undefined || leftNs <= 0) return undefined;
    const nowMs = this.#clock.wallMs();
    return {
      targetId: target.id,
      startedAtMs: nowMs,
      endedAtMs: nowMs,
      outcome: { reason: "rate-held", phase: "plan" },
      phases: {},
      evidence: { ...pause.evidence, retryAfterMs: Math.round(leftNs / NS_PER_MS) },
    };
  }

  /** Keeps the pause that a sample of the target asks for, if any. */
  observe(target: Target, { outcome, evidence }: Sample): void {
    if (outcome.reason !== "rate-limited" || evidence.retryAfterMs === undefined) return;
    const untilNs = this.#clock.monotonicNs() + evidence.retryAfterMs * NS_PER_MS;
    this.#pauses.set(keyOf(target), { untilNs, evidence });
  }
}

function keyOf({ host, port, options }: Target): string {
  const protocol = PROTOCOL[options.probe] ?? options.probe;
  return protocol === "time" ? `time ${host}` : `${protocol} ${host} ${port}`;
}
