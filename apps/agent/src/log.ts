/**
 * The log: JSON lines with `msg`, `level` as a word and `time` as RFC 3339, which Talos parses (talosctl logs). Text of others
 * is visible text.
 */
import { type Clock, visibleJsonLine } from "@lifeline/measure";
import { type DestinationStream, type Logger, pino } from "pino";
import type { LogLevel } from "./config.ts";

/** Creates the log; to stdout unless told otherwise. Lines are written before the call returns, so that none is lost at exit. */
export function createLog(clock: Clock, level: LogLevel, destination?: DestinationStream): Logger {
  return pino(
    {
      level,
      base: null,
      formatters: { level: (label) => ({ level: label }) },
      hooks: { streamWrite: visibleJsonLine },
      timestamp: () => `,"time":"${new Date(clock.wallMs()).toISOString()}"`,
    },
    destination ?? pino.destination({ dest: 1, sync: true }),
  );
}
