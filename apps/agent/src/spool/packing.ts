/**
 * A report as it waits: deflated where that makes it smaller.
 *
 * A report of 96 targets is 38 kB, most of it names and columns that resemble each other: deflated it is a quarter, at some 0.5 ms
 * every ten seconds (BUDGETS.md). Each report is packed by itself, so that one that comes to harm takes no other along.
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { MAX_REPORT_BYTES } from "@lifeline/wire";

/** A report's bytes, raw DEFLATE (RFC 1951) or as they are. */
export interface PackedReport {
  readonly bytes: Uint8Array;
  readonly isDeflated: boolean;
}

/** Packs a report: the smaller of the two ways. */
export function packReport(report: Uint8Array): PackedReport {
  const deflated = deflateRawSync(report);
  return deflated.length < report.length ? { bytes: deflated, isDeflated: true } : { bytes: report, isDeflated: false };
}

/** The report; undefined when the bytes are no raw DEFLATE of at most MAX_REPORT_BYTES. */
export function unpackReport({ bytes, isDeflated }: PackedReport): Uint8Array | undefined {
  if (!isDeflated) return bytes;
  try {
    return inflateRawSync(bytes, { maxOutputLength: MAX_REPORT_BYTES });
  } catch (error) {
    // Every way of being no such thing means the same here: what was written is not what is there.
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}
