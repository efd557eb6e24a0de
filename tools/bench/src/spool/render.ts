/** The spool result as people read it. Pure. */
import { ratioText, textTable } from "@lifeline/harness";
import type { ConditionResult, SpoolResult } from "./spool-bench.ts";

const BYTES_PER_KB = 1_000;
const BYTES_PER_MIB = 1024 * 1024;

/** Renders the result. */
export function renderSpool({
  targets,
  maxBytes,
  maxAgeHours,
  versions,
  conditions,
  full,
  notes,
}: SpoolResult): string {
  const row = (title: string, figure: (one: ConditionResult) => string) => [title, ...conditions.map(figure)];
  const kb = (bytes: number) => (bytes / BYTES_PER_KB).toFixed(1);
  const us = (figure: number) => figure.toFixed(0);
  return [
    `${targets} targets once a second; SQLite ${versions["sqlite"] ?? ""} keeps the same reports on the same disk`,
    "",
    textTable([
      row("", ({ condition }) => condition),
      row("reports an hour", ({ recordsPerHour }) => String(recordsPerHour)),
      row("windows a target and hour", ({ windowsPerTargetHour }) => us(windowsPerTargetHour)),
      row("kB a target and hour", ({ bytesPerTargetHour }) => kb(bytesPerTargetHour)),
      row("before packing", ({ plainBytesPerTargetHour }) => kb(plainBytesPerTargetHour)),
      row("µs to pack a report, p50", ({ packP50Us }) => us(packP50Us)),
      row(`targets in ${maxBytes / BYTES_PER_MIB} MiB for ${maxAgeHours} h`, ({ targetsHeld }) => String(targetsHeld)),
      row("append µs p50", ({ spool }) => us(spool.appendUs.p50)),
      row("append µs p99", ({ spool }) => us(spool.appendUs.p99)),
      row("SQLite µs p50", ({ sqlite }) => us(sqlite.appendUs.p50)),
      row("SQLite µs p99", ({ sqlite }) => us(sqlite.appendUs.p99)),
      row("append p50 against SQLite", ({ ratios }) => ratioText(ratios.appendP50)),
      row("append p99 against SQLite", ({ ratios }) => ratioText(ratios.appendP99)),
      row("bytes on disk against SQLite", ({ ratios }) => ratioText(ratios.diskBytes)),
    ]),
    "",
    `full, with ${full.records} reports: opened in ${us(full.openMs)} ms, ${us(full.indexBytesPerRecord)} bytes of index a report, ` +
      `the next found in ${full.nextAfterUs.toFixed(2)} µs, figures in ${full.statsUs.toFixed(2)} µs, append p50 ${us(full.appendP50Us)} µs`,
    ...notes.map((note) => `note: ${note}`),
  ].join("\n");
}
