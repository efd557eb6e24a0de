/**
 * The log of every program: JSON lines with `level` as a word, `time` as RFC 3339 and `msg`, which Talos parses
 * (talosctl logs).
 */
import { type Clock, visibleJsonLine } from "@lifeline/measure";
import { type DestinationStream, type Logger, pino } from "pino";

/** Levels of logging, as pino names them. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * Creates the log, by default of level `info` and to stdout. Text from outside is shown as visible text. A line is
 * written before the call returns, so that none is lost at exit.
 */
export function createLog(
  clock: Pick<Clock, "wallMs">,
  level: LogLevel = "info",
  destination: DestinationStream = pino.destination({ dest: 1, sync: true }),
): Logger {
  return pino(
    {
      level,
      base: null,
      formatters: { level: (label) => ({ level: label }) },
      hooks: { streamWrite: visibleJsonLine },
      timestamp: () => `,"time":"${new Date(clock.wallMs()).toISOString()}"`,
    },
    destination,
  );
}
