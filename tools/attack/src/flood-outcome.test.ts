/** A flood counts only when it got through. */
import { expect, it } from "vitest";
import { floodOutcome } from "./flood-outcome.ts";

const NOTHING = { begun: 0, established: 0, ended: 0, calls: 0, statuses: {} };
const ALL = { begun: 9, established: 8, ended: 7, calls: 6, statuses: { "16": 5 } };

it.each([
  ["began nothing", { ...NOTHING, established: 1 }, {}, "want at least 1 begun"],
  ["established nothing", { ...ALL, established: 0 }, {}, "want at least 1 established"],
  ["had no connection ended", { ...ALL, ended: 0 }, { ended: 1 }, "want at least 1 ended by the collector"],
  ["made no call", { ...ALL, calls: 0 }, { calls: 1 }, "want at least 1 calls"],
  ["got no such status", ALL, { statuses: { "4": 1 } }, "want at least 1 calls of status 4"],
])("a flood that %s is broken", (_, account, least, observed) => {
  const { outcome, observed: seen } = floodOutcome(account, least);
  expect(outcome).toBe("broke");
  expect(seen).toContain(observed);
});

it("a flood of which everything was seen is held", () => {
  expect(floodOutcome(ALL, { established: 8, ended: 7, calls: 6, statuses: { "16": 5 } }).outcome).toBe("held");
  expect(floodOutcome({ ...NOTHING, begun: 1 }, { established: 0 }).outcome).toBe("held");
});
