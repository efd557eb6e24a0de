/** The fleet on screen, one fault after another, until Ctrl-C. */
import { proseLines, renderStatus, type ScreenWorld, statusView, type View, watch } from "@lifeline/cli";
import { NS_PER_MS, pause } from "@lifeline/measure";
import { isFailing } from "./collector-answer.ts";
import type { FaultDrill } from "./fault-drill.ts";
import type { LabNode, TestBed } from "./test-bed.ts";

/** How long a fault stays on the screen, and the pause between two faults, ms: time enough to read. */
const STAND_MS = 15_000;
const REST_MS = 10_000;

/** A line on the screen, and when it appeared. */
interface Act {
  readonly line: string;
  readonly sinceNs: number;
}

/**
 * Shows the fleet while `drills` run in turn, each on the next node. On an interrupt it clears the faults and resolves.
 */
export async function showFleet(testBed: TestBed, drills: readonly FaultDrill[], world: ScreenWorld): Promise<void> {
  const { clock, interrupt } = world;
  let act: Act = { line: "nothing is broken", sinceNs: clock.monotonicNs() };
  const told = (line: string) => {
    act = { line, sinceNs: clock.monotonicNs() };
  };
  const show = watch(world, { format: "table", wantsColor: true, find: async () => frame(testBed, () => act, world) });
  for (let at = 0; !interrupt.aborted; at++) {
    const drill = drills[at % drills.length];
    const node = testBed.nodes[at % testBed.nodes.length];
    if (drill === undefined || node === undefined) break;
    await rest(world, told);
    if (!interrupt.aborted) await perform(testBed, drill, node, world, told);
  }
  await show;
}

async function rest({ clock, interrupt }: ScreenWorld, told: (line: string) => void): Promise<void> {
  told("nothing is broken");
  await pause(clock, REST_MS, interrupt);
}

async function perform(
  testBed: TestBed,
  drill: FaultDrill,
  node: LabNode,
  { clock, interrupt }: ScreenWorld,
  told: (line: string) => void,
): Promise<void> {
  told(`${drill.name} at ${node.name}: ${drill.what} (expected: ${drill.expected.cause})`);
  const clear = await drill.inject(testBed, node);
  try {
    await pause(clock, STAND_MS, interrupt);
  } finally {
    await clear();
  }
}

async function frame(testBed: TestBed, act: () => Act, { clock, interrupt }: ScreenWorld): Promise<View> {
  const model = await testBed.model(interrupt);
  const { line, sinceNs } = act();
  const seconds = Math.round((clock.monotonicNs() - sinceNs) / NS_PER_MS / 1_000);
  const summary = testBed.nodes.map(({ name }) => {
    const failing = model.rows.filter((row) => row.node === name && isFailing(row)).length;
    return `${name} ${failing === 0 ? "well" : `${failing} rows fail`}`;
  });
  const failing = { ...model, rows: model.rows.filter(isFailing) };
  return {
    ...statusView(model),
    text(layout) {
      const heading = [`lab · ${summary.join(" · ")}`, `${seconds} s: ${line}`];
      const lines = heading.flatMap((text) => proseLines(text, layout.width));
      const table = failing.rows.length === 0 ? "every row that counts is met\n" : renderStatus(failing, layout);
      return `${lines.join("\n")}\n\n${table}`;
    },
  };
}
