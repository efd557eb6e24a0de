/** What is done to the two programs and the way between them; each ends what it began. */
import { type Clock, pause } from "@lifeline/measure";
import { between, pick, type Random } from "./chance.ts";
import type { Stage } from "./stage.ts";

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

/** Kills come twice as often as each of the others: they are what the promise is about. */
const DRAWN: readonly FaultKind[] = [...FAULTS, "kill-agent", "kill-collector", "kill-both"];

/** How long a fault stands, ms: from nothing to several round trips and commits. */
const STANDS_MS = { least: 20, most: 500 };

/** How long an agent lives on a full disk, ms: it is up after half a second, and seals something after another. */
const FULL_MS = { least: 1_000, most: 3_000 };

/** How far clocks jump, ms: to both sides, from a second to forty days. */
const JUMPS_MS = [1_000, 60_000, 3_600_000, 40 * 24 * 3_600_000];

/** Draws the next fault. */
export function drawFault(random: Random): FaultKind {
  return pick(random, DRAWN);
}

/** Does it, lets it stand, and undoes it. False: it cannot be had here. */
export async function playFault(kind: FaultKind, stage: Stage, random: Random, clock: Clock): Promise<boolean> {
  const stand = () => pause(clock, between(random, STANDS_MS.least, STANDS_MS.most));
  const { agent, collector, relay } = stage;
  switch (kind) {
    case "kill-agent":
      await agent.kill();
      await stand();
      break;
    case "kill-collector":
      await collector.kill();
      await stand();
      break;
    case "kill-both":
      await Promise.all([agent.kill(), collector.kill()]);
      await stand();
      break;
    case "partition":
    case "half-open":
    case "slow":
      relay.mode(kind);
      await stand();
      // A kill amid it: what was under way is neither here nor there.
      if (random() < 0.5) await pick(random, [agent, collector]).kill();
      relay.mode("pass");
      break;
    case "reset":
      relay.reset();
      break;
    case "agent-disk-full":
    case "collector-disk-full": {
      const disk = kind === "agent-disk-full" ? stage.agentDisk : stage.collectorDisk;
      if (!disk.fill()) return false;
      await stand();
      if (kind === "agent-disk-full") {
        // Packed reports are so small that a page which is there already holds many: a new start needs a file of its own.
        await agent.kill();
        agent.start();
        await pause(clock, between(random, FULL_MS.least, FULL_MS.most));
      }
      if (random() < 0.5) await pick(random, [agent, collector]).kill();
      disk.free();
      break;
    }
    case "clock-jump":
      stage.jump(pick(random, ["agent", "collector"] as const), pick(random, JUMPS_MS) * (random() < 0.5 ? -1 : 1));
      await stand();
      break;
  }
  await stage.revive();
  return true;
}
