/** A flood as a whole attack. */
import type { Attack, Outcome } from "./attack.ts";
import type { FloodLeast } from "./flood.ts";
import { floodOutcome } from "./flood-outcome.ts";
import type { TestBed } from "./test-bed.ts";

type Job = Parameters<TestBed["flood"]>[0];

/** As many as one source may hold, and one more source than honest nodes come from. */
export const SOURCES: readonly string[] = Array.from({ length: 8 }, (_, at) => `127.0.66.${at + 1}`);

type FloodPlan = Partial<Job> & Pick<Job, "connections" | "start">;

/** A flood of one kind: from {@link SOURCES} where its job names none, and over again where that does not say no. */
export interface FloodAttack extends Omit<Attack, "run" | "position"> {
  /** By the time it begins, where that counts. */
  readonly job: FloodPlan | ((nowMs: number) => FloodPlan);
  /** Default: one connection was established. */
  readonly least?: FloodLeast;
}

/** The attack of a client that can reach the port. */
export function floodAttack({ job, least, ...attack }: FloodAttack): Attack {
  return {
    ...attack,
    position: "port",
    run(testBed) {
      const plan = typeof job === "function" ? job(testBed.clock.wallMs()) : job;
      return playFlood(testBed, { sources: SOURCES, again: true, ...plan }, least);
    },
  };
}

/**
 * Plays the flood, for longer on a machine on which it does not reach `least` in its time; broken when it never does.
 */
export async function playFlood(testBed: TestBed, job: Job, least: FloodLeast = {}): Promise<Outcome> {
  return floodOutcome(await testBed.flood({ ...job, least }), least);
}
