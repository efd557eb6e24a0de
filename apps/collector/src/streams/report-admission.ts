/** Whether a report is admitted, decided from the message and the time alone. */
import { BOOT_ID_BYTES, decodeReport, MAX_REPORT_BYTES, type Report, type reportPb } from "@lifeline/wire";
import type { Refused } from "./refused.ts";
import { sentAtMsOf } from "./report-clock.ts";

/** Refused codes of a report; stable, part of the contract. */
type RefusalCode = "malformed" | "too-large";

/**
 * How far ahead of both the agent's and the collector's clock a report may be dated before it counts as dated ahead,
 * ms: a day. It is admitted all the same: a clock that was set back since has dated it, and it is evidence. No window
 * that is ahead is judged by.
 */
const MAX_AHEAD_MS = 24 * 3_600_000;

/** A report that may be stored. */
export interface AdmittedReport {
  readonly report: Report;
  readonly sequence: number;
  /** Dated more than {@link MAX_AHEAD_MS} ahead. */
  readonly isAhead: boolean;
}

/** A report that can never be stored. */
export interface RefusedReport extends Refused {
  readonly code: RefusalCode;
}

/** What becomes of a report. */
export type ReportVerdict =
  | ({ readonly kind: "admitted" } & AdmittedReport)
  | ({ readonly kind: "refused" } & RefusedReport);

/** Judges a report that arrived at `nowMs`. */
export function admitReport(envelope: reportPb.ReportEnvelope, nowMs: number): ReportVerdict {
  const problem = envelopeProblem(envelope);
  if (problem !== undefined) return { kind: "refused", ...problem };
  const decoded = decodeReport(envelope.report);
  if (!decoded.ok) {
    const { field, value, expected } = decoded.malformed;
    return { kind: "refused", code: "malformed", field, detail: `got ${value}, want ${expected}` };
  }
  const latestMs = Math.max(nowMs, sentAtMsOf(envelope) ?? 0) + MAX_AHEAD_MS;
  const { sealedAtMs, windows } = decoded.value;
  const isAhead = sealedAtMs > latestMs || windows.some(({ endMs }) => endMs > latestMs);
  return { kind: "admitted", report: decoded.value, sequence: Number(envelope.sequence), isAhead };
}

function envelopeProblem({ bootId, sequence, report }: reportPb.ReportEnvelope): RefusedReport | undefined {
  if (bootId.length !== BOOT_ID_BYTES) {
    const detail = `got ${bootId.length} bytes, want ${BOOT_ID_BYTES} bytes`;
    return { code: "malformed", field: "boot_id", detail };
  }
  if (sequence < 1n || sequence > BigInt(Number.MAX_SAFE_INTEGER)) {
    const detail = `got ${sequence}, want an integer from 1 to ${Number.MAX_SAFE_INTEGER}`;
    return { code: "malformed", field: "sequence", detail };
  }
  if (report.length <= MAX_REPORT_BYTES) return undefined;
  const detail = `got ${report.length} bytes, want at most ${MAX_REPORT_BYTES} bytes`;
  return { code: "too-large", field: "report", detail };
}
