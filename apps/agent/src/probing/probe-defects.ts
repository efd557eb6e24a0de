/** Defects of probes, logged once for each target: a broken probe would repeat its line at every tick. */
import type { Logger } from "pino";

/** Most targets whose defects are logged (S2). */
const TARGETS_MAX = 64;

/** The function that takes a probe's rejection. */
export function probeDefectLog(log: Logger): (targetId: string, error: unknown) => void {
  const logged = new Set<string>();
  return (targetId, error) => {
    if (logged.has(targetId) || logged.size >= TARGETS_MAX) return;
    logged.add(targetId);
    log.error({ targetId, err: error }, "a probe failed by a defect; its attempts count as not measured");
  };
}
