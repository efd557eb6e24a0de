/** A flood of guesses, and how many of them the collector may try. */
import { NS_PER_MS } from "@lifeline/measure";
import type { FloodAccount } from "../flood.ts";
import type { TestBed } from "../test-bed.ts";

/** Attempts that one source may have wrong: so many at once, and one in so long, ms (docs/security.md). */
const ATTEMPTS = { atOnce: 20, everyMs: 3_000 };

/** Floods the collector with guesses of one source. */
export async function guess(
  testBed: TestBed,
  job: Parameters<TestBed["flood"]>[0],
): Promise<{ readonly account: FloodAccount; readonly triedMax: number }> {
  const startedNs = testBed.clock.monotonicNs();
  const account = await testBed.flood(job);
  const passedMs = (testBed.clock.monotonicNs() - startedNs) / NS_PER_MS;
  return { account, triedMax: ATTEMPTS.atOnce + Math.ceil(passedMs / ATTEMPTS.everyMs) };
}
