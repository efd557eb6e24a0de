/** A flood as a whole attack. */
import type { Outcome } from "./attack.ts";
import type { FloodLeast } from "./flood.ts";
import { floodOutcome } from "./flood-outcome.ts";
import type { TestBed } from "./test-bed.ts";

/**
 * Plays the flood, for longer on a machine on which it does not reach `least` in its time; broken when it never does.
 */
export async function playFlood(
  testBed: TestBed,
  job: Parameters<TestBed["flood"]>[0],
  least: FloodLeast = {},
): Promise<Outcome> {
  return floodOutcome(await testBed.flood({ ...job, least }), least);
}
