/**
 * What the agent said it had kept, beside what the collector holds.
 *
 * 1. A report counts as sealed from the moment at which the agent says that it is on the disk (fdatasync has returned). One that was in
 *    memory alone, for the disk refused, may die with its process: it is told apart, and is no loss.
 * 2. Both sides are named by (boot, sequence) and the digest of their bytes: a report that arrived changed counts as lost.
 * 3. A window is one of a boot, a target and the moment it began: found in two reports, or in one twice, it counts as duplicated.
 */

/** A report as its agent told of it. */
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
  /** Each as target and begin. */
  readonly windows: readonly string[];
}

/** What came of all reports. */
export interface Balance {
  readonly sealed: number;
  readonly stored: number;
  /** Sealed, and not stored as they were. */
  readonly lost: number;
  /** Reports or windows that are stored more than once. */
  readonly duplicated: number;
  /** Kept in memory alone; how many of them are stored none the less. */
  readonly undurable: number;
  readonly undurableStored: number;
  /** The first few of what is lost or duplicated. */
  readonly examples: readonly string[];
}

/** Most examples of a balance. */
const EXAMPLES_MAX = 5;

/** Reads what an agent logged: each line of it that tells of a report; other lines are none of ours. */
export function keptReports(log: string): readonly KeptReport[] {
  return log.split("\n").flatMap((line) => {
    if (!line.includes('"report kept"')) return [];
    try {
      const { bootId, sequence, where, reportSha256 } = JSON.parse(line) as KeptReport;
      return [{ bootId, sequence, where, reportSha256 }];
    } catch {
      // The last line of an agent that was killed in the midst of writing it: what it told of was kept, and is not counted.
      return [];
    }
  });
}

/** Draws the balance. */
export function balance(kept: readonly KeptReport[], stored: readonly StoredReport[]): Balance {
  const examples: string[] = [];
  const tell = (what: string) => examples.length < EXAMPLES_MAX && examples.push(what);
  const key = ({ bootId, sequence }: Pick<KeptReport, "bootId" | "sequence">) => `${bootId}/${sequence}`;
  const held = new Map<string, string>();
  const windows = new Map<string, string>();
  let duplicated = 0;
  for (const report of stored) {
    const name = key(report);
    if (held.has(name)) {
      duplicated += 1;
      tell(`report ${name} is stored twice`);
    }
    held.set(name, report.reportSha256);
    for (const window of report.windows) {
      const before = windows.get(`${report.bootId} ${window}`);
      if (before !== undefined) {
        duplicated += 1;
        tell(`window ${window} is in reports ${before} and ${name}`);
      }
      windows.set(`${report.bootId} ${window}`, name);
    }
  }
  const sealed = kept.filter(({ where }) => where === "disk");
  const undurable = kept.filter(({ where }) => where === "memory");
  const missing = sealed.filter((report) => held.get(key(report)) !== report.reportSha256);
  for (const report of missing) tell(`report ${key(report)} is ${held.has(key(report)) ? "changed" : "not stored"}`);
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
