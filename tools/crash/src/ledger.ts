/**
 * The reports that the agent kept, compared with those that the collector holds.
 *
 * 1. A report is sealed once the agent logs that it is on the disk (fdatasync has returned). A report that was only in
 *    memory, because the disk refused it, may be lost with its process: it is counted apart and is no loss.
 * 2. A report is identified by (boot, sequence) and the digest of its bytes: one that arrived changed counts as lost.
 * 3. A window is identified by boot, target and start: one that is in two reports, or twice in one, counts as
 *    duplicated.
 */

/** A report as its agent logged it. */
export interface KeptReport {
  readonly bootId: string;
  readonly sequence: number;
  readonly where: "disk" | "memory" | "dropped";
  readonly reportSha256: string;
}

/** A report as the collector holds it. */
export interface StoredReport {
  readonly bootId: string;
  readonly sequence: number;
  readonly reportSha256: string;
  /** Each as target and start. */
  readonly windows: readonly string[];
}

/** The result of the comparison. */
export interface Balance {
  readonly sealed: number;
  readonly stored: number;
  /** Sealed, and not stored unchanged. */
  readonly lost: number;
  /** Reports or windows that are stored more than once. */
  readonly duplicated: number;
  /** Kept only in memory; and how many of these are stored. */
  readonly undurable: number;
  readonly undurableStored: number;
  /** The first reports and windows that are lost or duplicated. */
  readonly examples: readonly string[];
}

/** Most examples of a balance. */
const EXAMPLES_MAX = 5;

/** The reports in an agent's log; other lines are ignored. */
export function keptReports(log: string): readonly KeptReport[] {
  return log.split("\n").flatMap((line) => {
    if (!line.includes('"report kept"')) return [];
    try {
      const { bootId, sequence, where, reportSha256 } = JSON.parse(line) as KeptReport;
      return [{ bootId, sequence, where, reportSha256 }];
    } catch {
      // The agent was killed while it wrote this line. The report was kept, and is not counted.
      return [];
    }
  });
}

/** Compares them. */
export function balance(kept: readonly KeptReport[], stored: readonly StoredReport[]): Balance {
  const examples: string[] = [];
  const note = (what: string) => examples.length < EXAMPLES_MAX && examples.push(what);
  const key = ({ bootId, sequence }: Pick<KeptReport, "bootId" | "sequence">) => `${bootId}/${sequence}`;
  const held = new Map<string, string>();
  const windows = new Map<string, string>();
  let duplicated = 0;
  for (const report of stored) {
    const name = key(report);
    if (held.has(name)) {
      duplicated += 1;
      note(`report ${name} is stored twice`);
    }
    held.set(name, report.reportSha256);
    for (const window of report.windows) {
      const before = windows.get(`${report.bootId} ${window}`);
      if (before !== undefined) {
        duplicated += 1;
        note(`window ${window} is in reports ${before} and ${name}`);
      }
      windows.set(`${report.bootId} ${window}`, name);
    }
  }
  const sealed = kept.filter(({ where }) => where === "disk");
  const undurable = kept.filter(({ where }) => where === "memory");
  const missing = sealed.filter((report) => held.get(key(report)) !== report.reportSha256);
  for (const report of missing) note(`report ${key(report)} is ${held.has(key(report)) ? "changed" : "not stored"}`);
  return {
    sealed: sealed.length,
    stored: stored.length,
    lost: missing.length,
    duplicated,
    undurable: undurable.length,
    undurableStored: undurable.filter((report) => held.has(key(report))).length,
    examples,
  };
}
