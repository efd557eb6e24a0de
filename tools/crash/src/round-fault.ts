/**
 * The faults of a round: what is done to agent and collector and the connection between them. Each is undone at its
 * end.
 */
import { between, pick, type Random } from "@lifeline/harness";
import { type Clock, pause } from "@lifeline/measure";
import type { TestBed } from "./test-bed.ts";

/** Every kind of fault. */
export const FAULTS = [
  "kill-agent",
  "kill-collector",
  "kill-both",
  "partition",
  "half-open",
  "reset",
  "slow",
  "agent-disk-full",
  "collector-disk-full",
  "clock-jump",
] as const;
export type FaultKind = (typeof FAULTS)[number];

/** Kills come twice as often as each of the others, because the promise (U1) is about them. */
const DRAWN: readonly FaultKind[] = [...FAULTS, "kill-agent", "kill-collector", "kill-both"];

/** How long a fault lasts, ms: from nothing to several round trips and commits. */
const LASTS_MS = { least: 20, most: 500 };

/** How long an agent runs on a full disk, ms: it is up after half a second, and seals a window half a second later. */
const FULL_MS = { least: 1_000, most: 3_000 };

/** How far clocks jump, ms, forward and back: from a second to forty days. */
const JUMPS_MS = [1_000, 60_000, 3_600_000, 40 * 24 * 3_600_000];

/** Draws the next fault. */
export function drawFault(random: Random): FaultKind {
  return pick(random, DRAWN);
}

/** Plays a fault and undoes it. False: this machine does not allow it. */
export async function playFault(kind: FaultKind, testBed: TestBed, random: Random, clock: Clock): Promise<boolean> {
  const last = () => pause(clock, between(random, LASTS_MS.least, LASTS_MS.most));
  const { agent, collector, relay } = testBed;
  switch (kind) {
    case "kill-agent":
      await agent.kill();
      await last();
      break;
    case "kill-collector":
      await collector.kill();
      await last();
      break;
    case "kill-both":
      await Promise.all([agent.kill(), collector.kill()]);
      await last();
      break;
    case "partition":
    case "half-open":
    case "slow":
      relay.mode(kind);
      await last();
      // After a kill during a send, neither side knows whether the report arrived.
      if (random() < 0.5) await pick(random, [agent, collector]).kill();
      relay.mode("pass");
      break;
    case "reset":
      relay.reset();
      break;
    case "agent-disk-full":
    case "collector-disk-full": {
      const disk = kind === "agent-disk-full" ? testBed.agentDisk : testBed.collectorDisk;
      if (!disk.fill()) return false;
      await last();
      if (kind === "agent-disk-full") {
        // Reports are so small that the last page of the spool file holds many. A new start needs a new file.
        await agent.kill();
        agent.start();
        await pause(clock, between(random, FULL_MS.least, FULL_MS.most));
      }
      if (random() < 0.5) await pick(random, [agent, collector]).kill();
      disk.free();
      break;
    }
    case "clock-jump":
      testBed.jump(pick(random, ["agent", "collector"] as const), pick(random, JUMPS_MS) * (random() < 0.5 ? -1 : 1));
      await last();
      break;
  }
  await testBed.revive();
  return true;
}
