/** Windows that were sealed together, in as few reports as the wire's limits allow. */

import type { Window } from "@lifeline/window";
import { type AgentSelfMetrics, encodeReport, MAX_REPORT_BYTES, MAX_TARGETS_PER_NODE } from "@lifeline/wire";

/**
 * Encodes windows as reports. A report holds at most MAX_TARGETS_PER_NODE of them, so that it never names more targets
 * than a collector admits, and at most `maxBytes` (default MAX_REPORT_BYTES). A window that is too large by itself
 * cannot occur: its columns and evidence are bounded far below that.
 */
export function encodeParts(
  sealedAtMs: number,
  windows: readonly Window[],
  selfMetrics: AgentSelfMetrics,
  maxBytes: number = MAX_REPORT_BYTES,
): Uint8Array[] {
  if (windows.length > MAX_TARGETS_PER_NODE) return halves(sealedAtMs, windows, selfMetrics, maxBytes);
  const encoded = encodeReport({ sealedAtMs, windows, selfMetrics });
  if (encoded.length <= maxBytes || windows.length <= 1) return [encoded];
  return halves(sealedAtMs, windows, selfMetrics, maxBytes);
}

function halves(
  sealedAtMs: number,
  windows: readonly Window[],
  selfMetrics: AgentSelfMetrics,
  maxBytes: number,
): Uint8Array[] {
  const middle = Math.ceil(windows.length / 2);
  return [windows.slice(0, middle), windows.slice(middle)].flatMap((half) =>
    encodeParts(sealedAtMs, half, selfMetrics, maxBytes),
  );
}
