/**
 * A report in the spool: deflated when that makes it smaller.
 *
 * A report of 96 targets is 38 kB, most of it names and columns that resemble each other. Deflated it is a quarter, for
 * some 0.5 ms every ten seconds (BUDGETS.md). Each report is packed alone, so that a damaged one makes no other
 * unreadable.
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { MAX_REPORT_BYTES } from "@lifeline/wire";

/** A report's bytes, raw DEFLATE (RFC 1951) or as they are. */
export interface PackedReport {
  readonly bytes: Uint8Array;
  readonly isDeflated: boolean;
}

/** Packs a report, deflated if that is smaller. */
export function packReport(report: Uint8Array): PackedReport {
  const deflated = deflateRawSync(report);
  return deflated.length < report.length ? { bytes: deflated, isDeflated: true } : { bytes: report, isDeflated: false };
}

/** The report; undefined when the bytes are not raw DEFLATE of at most MAX_REPORT_BYTES. */
export function unpackReport({ bytes, isDeflated }: PackedReport): Uint8Array | undefined {
  if (!isDeflated) return bytes;
  try {
    return inflateRawSync(bytes, { maxOutputLength: MAX_REPORT_BYTES });
  } catch (error) {
    // Whatever the code: the bytes are not those that were written.
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}
