/** The counts a flood must reach. A flood that never got through proves nothing. */
import { type Outcome, outcomeOf } from "./attack.ts";
import { type FloodAccount, type FloodLeast, floodText } from "./flood.ts";

/** Broken when fewer were seen than the job wanted. One connection at least must have begun. */
export function floodOutcome(account: FloodAccount, least: FloodLeast = {}): Outcome {
  const missing = missingCounts(account, least);
  const texts = missing.map(({ what, least }) => `want at least ${least} ${what}`);
  return outcomeOf([[floodText(account), ...texts].join("; "), missing.length === 0]);
}

/** The counts that are below what is wanted. */
export function missingCounts(account: FloodAccount, wantedLeast: FloodLeast) {
  const { established = 1, ended = 0, calls = 0, statuses = {} } = wantedLeast;
  const wanted = [
    { what: "begun", got: account.begun, least: 1 },
    { what: "established", got: account.established, least: established },
    { what: "ended by the collector", got: account.ended, least: ended },
    { what: "calls", got: account.calls, least: calls },
    ...Object.entries(statuses).map(([status, count]) => {
      return { what: `calls of status ${status}`, got: account.statuses[status] ?? 0, least: count };
    }),
  ];
  return wanted.filter(({ got, least }) => got < least);
}
