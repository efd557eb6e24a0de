/** Logs the spool's events. */
import type { Logger } from "pino";
import type { SpoolEvent } from "./spool.ts";

/** Logs one event. */
export function logSpoolEvent(log: Logger, event: SpoolEvent): void {
  switch (event.kind) {
    case "disk-refused":
      log.warn({ code: event.code }, "the spool cannot write to disk; reports stay in memory until it can");
      return;
    case "disk-accepted":
      log.info("the spool writes to disk again");
      return;
    case "disk-unreadable":
      log.warn({ code: event.code }, "the spool cannot read from disk; reports are kept and read later");
      return;
    case "disk-readable":
      log.info("the spool reads from disk again");
      return;
    case "dropped":
      log.warn({ reports: event.reports, why: event.why }, "reports dropped from the spool");
      return;
    case "given-up":
      log.warn({ segments: event.segments }, "spool files removed: they could not be read before they were too old");
      return;
  }
}
