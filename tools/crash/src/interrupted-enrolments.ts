/**
 * Enrolments interrupted by kills and cuts. Each node must get its certificate, for one key and with one use of its
 * token.
 */
import { between, pick, type Random, type ShippedProgram } from "@lifeline/harness";
import { type Clock, pause } from "@lifeline/measure";
import { EnrolmentTestBed } from "./enrolment-test-bed.ts";

/** The result of the enrolments. */
export interface EnrolmentBalance {
  readonly enrolments: number;
  /** Nodes with a certificate for the key that the collector has on record. */
  readonly enrolled: number;
  /** Uses of tokens beyond one for each node. */
  readonly extraUses: number;
  /** Kills and cuts. */
  readonly interruptions: number;
}

/**
 * Most interruptions of one enrolment, and the time before each, ms: an agent is up and enrols within half a second.
 */
const INTERRUPTIONS_MAX = 3;
const INTERRUPT_AFTER_MS = { least: 0, most: 700 };

/** Plays `count` enrolments; `onEnrolment` is called as each begins. Rejects with a CrashError or a HarnessError. */
export async function playEnrolments(
  count: number,
  random: Random,
  clock: Clock,
  onEnrolment: (number: number) => void,
): Promise<EnrolmentBalance> {
  const testBed = await EnrolmentTestBed.open(clock);
  let [enrolled, extraUses, interruptions] = [0, 0, 0];
  try {
    for (let number = 1; number <= count; number += 1) {
      onEnrolment(number);
      const nodeId = `enrol-${number}`;
      const token = await testBed.collector.joinToken({ usesMax: 1, nodePattern: nodeId });
      const agent = testBed.agent(nodeId, token);
      agent.start();
      for (let left = between(random, 0, INTERRUPTIONS_MAX); left > 0; left -= 1) {
        await pause(clock, between(random, INTERRUPT_AFTER_MS.least, INTERRUPT_AFTER_MS.most));
        await interrupt(testBed, agent, random);
        interruptions += 1;
      }
      if (await testBed.untilEnrolled(nodeId, agent)) enrolled += 1;
      extraUses += (await testBed.usesOf(token)) - 1;
      await agent.kill();
    }
    return { enrolments: count, enrolled, extraUses, interruptions };
  } finally {
    await testBed.close();
  }
}

async function interrupt(testBed: EnrolmentTestBed, agent: ShippedProgram, random: Random): Promise<void> {
  const what = pick(random, ["agent", "collector", "both", "connection"] as const);
  if (what === "connection") testBed.relay.reset();
  const killed = { agent: [agent], collector: [testBed.collector], both: [agent, testBed.collector], connection: [] };
  await Promise.all(killed[what].map((program) => program.kill()));
  await testBed.revive();
  agent.start();
}
