/** The counts a flood must reach. A flood that never got through proves nothing. */
import { type Outcome, outcomeOf } from "./attack.ts";
import { type FloodAccount, floodText } from "./flood.ts";

/** Lower bounds of a flood's counts. */
export interface FloodLeast {
  /** Default 1: a flood of which no connection is established has attacked nothing. */
  readonly established?: number;
  /** Connections that the collector has ended; default 0. */
  readonly ended?: number;
  /** Default 0. */
  readonly calls?: number;
  /** Calls that ended with a status, by its number; default none. */
  readonly statuses?: Readonly<Record<string, number>>;
}

/** Broken when fewer were seen. One connection at least must have begun. */
export function floodOutcome(account: FloodAccount, least: FloodLeast = {}): Outcome {
  const { established = 1, ended = 0, calls = 0, statuses = {} } = least;
  const wanted = [
    { what: "begun", got: account.begun, least: 1 },
    { what: "established", got: account.established, least: established },
    { what: "ended by the collector", got: account.ended, least: ended },
    { what: "calls", got: account.calls, least: calls },
    ...Object.entries(statuses).map(([status, count]) => {
      return { what: `calls of status ${status}`, got: account.statuses[status] ?? 0, least: count };
    }),
  ];
  const missing = wanted.filter(({ got, least }) => got < least);
  const texts = missing.map(({ what, least }) => `want at least ${least} ${what}`);
  return outcomeOf([[floodText(account), ...texts].join("; "), missing.length === 0]);
}
