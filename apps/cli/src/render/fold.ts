/** Folds rows into one line when the same cause kept every packet of an endpoint from leaving. */
import type { StatusRow } from "./status-row.ts";

/** The fields in which folded rows are equal. */
const FOLDED_BY = ["node", "requirement", "target", "proxy", "comparison", "udpEvidence", "verdict", "cause"] as const;

/**
 * Folds rows of one requirement and endpoint that have the same verdict and cause and never sent anything, such as both
 * families and every probe of a name that cannot be resolved. Rows with figures are not folded. Order is kept.
 */
export function foldAlike(rows: readonly StatusRow[]): StatusRow[] {
  const folded = new Map<string, StatusRow>();
  for (const [at, row] of rows.entries()) {
    const key = hasFigures(row) ? String(at) : JSON.stringify(FOLDED_BY.map((field) => row[field]));
    const before = folded.get(key);
    folded.set(key, before === undefined ? row : together(before, row));
  }
  return [...folded.values()];
}

function hasFigures({ sent, target }: StatusRow): boolean {
  return sent > 0 || target === null;
}

function together(a: StatusRow, b: StatusRow): StatusRow {
  const probes = new Set([...(a.probe ?? "").split(" "), b.probe ?? ""]);
  return {
    ...a,
    probe: [...probes].join(" ").trim() || null,
    ipVersion: a.ipVersion === b.ipVersion ? a.ipVersion : null,
    required: a.required || b.required,
    notSent: a.notSent + b.notSent,
    sinceMs: a.sinceMs === null || b.sinceMs === null ? null : Math.min(a.sinceMs, b.sinceMs),
  };
}
