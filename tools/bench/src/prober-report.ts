/** Report of a prober on its probes: the contract between the bench and its programs. */
import type { RttSource } from "@lifeline/measure";

/** One probe as its measurer reports it. */
export interface Report {
  /** Wall time before the probe and after it, ms since the epoch: the captured SYN must lie between. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly rttNs: number;
}

/** Orders to the prober process. */
export interface ProberOrder {
  readonly address: string;
  readonly port: number;
  readonly probe: "tcp" | "stamp";
  readonly probes: number;
  /** Whether the event loop is blocked for 20 of every 40 ms during the probes. */
  readonly blocked: boolean;
  /** Whether the kernel's own handshake time may be read. */
  readonly kernelStamps: boolean;
}

/** What the prober answers. */
export interface ProberAnswer {
  readonly reports: readonly Report[];
  /** Every source that a sample named. */
  readonly sources: readonly RttSource[];
  /** Processor time of the whole process while it probed, ns. */
  readonly cpuNs: number;
}

/** Orders to the exporter client: send probe requests to a blackbox_exporter on loopback. */
export interface ExporterOrder {
  readonly exporterPort: number;
  /** `address:port` to be probed. */
  readonly target: string;
  readonly probes: number;
}

/** The exporter client prints this line when the exporter answers, before it requests the first probe. */
export const READY = "ready";

/** What the exporter client answers. */
export interface ExporterReports {
  readonly reports: readonly Report[];
}

/** Shortest pause between two probes, ms: more than twice the tolerance of pairing, so no SYN fits two probes. */
export const PAUSE_MIN_MS = 5;
/**
 * The pause varies by this much, ms: a whole period of the blocked event loop, so that probes meet it at every point.
 */
export const PAUSE_SPREAD_MS = 40;
