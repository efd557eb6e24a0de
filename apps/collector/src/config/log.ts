/** The log: JSON lines with the level as a word and RFC 3339 times, as the agent's. Text of others is visible text. */
import { type Clock, visibleJsonLine } from "@lifeline/measure";
import { type DestinationStream, type Logger, pino } from "pino";

/** Creates the log; to stdout unless told otherwise. */
export function createLog(clock: Pick<Clock, "wallMs">, destination?: DestinationStream): Logger {
  return pino(
    {
      base: null,
      formatters: { level: (level) => ({ level }) },
      hooks: { streamWrite: visibleJsonLine },
      timestamp: () => `,"time":"${new Date(clock.wallMs()).toISOString()}"`,
    },
    destination,
  );
}
