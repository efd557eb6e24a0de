/** `npm run attack`. Exit codes: 0 every attack came to nothing, 1 one did not, 2 wrong arguments. */
import { runTool } from "@lifeline/harness";
import { guardProcess, systemClock } from "@lifeline/measure";
import { type Arguments, readArguments } from "./arguments.ts";
import { ATTACKS } from "./attacks.ts";
import { isInside } from "./network-namespace.ts";
import { judged, LIMITS, type Played, play } from "./play.ts";
import { openTestBed } from "./test-bed.ts";

guardProcess();

function line({ attack, outcome, observed, ...cost }: Played): string {
  const { collectorCpuSeconds, peakRssMb, slowdown, usual, honest, restarts } = cost;
  const waits = `ack ${honest.ackP99Ms} ms (${usual.ackP99Ms} before), admitted ${honest.admitMs} ms (${usual.admitMs})`;
  const costs = `${collectorCpuSeconds.toFixed(1)} s CPU, ${peakRssMb} MB, slowdown ${slowdown}, ${waits}, ${restarts} restarts`;
  return `${outcome === "broke" ? "BROKE" : outcome.padEnd(5)}  ${attack.padEnd(24)} ${costs}: ${observed}\n`;
}

async function run({ only, seconds, json }: Arguments): Promise<number> {
  // Inside the network namespace, attackers also connect over IPv6.
  const testBed = await openTestBed({ clock: systemClock, seconds, host: isInside ? "::" : "127.0.0.1" });
  const played: Played[] = [];
  try {
    process.stderr.write(`the collector's memory is limited by: ${testBed.collector.limit.kind}\n`);
    for (const attack of ATTACKS.filter(({ name }) => only.includes(name))) {
      const measured = await play(attack, testBed);
      // Inside a network namespace the parent process judges the result.
      const shown = isInside ? measured : judged(measured, LIMITS);
      played.push(shown);
      (json ? process.stderr : process.stdout).write(line(shown));
    }
  } finally {
    await testBed.close();
  }
  if (json) process.stdout.write(`${JSON.stringify(played)}\n`);
  return played.every(({ outcome }) => outcome !== "broke") ? 0 : 1;
}

process.exitCode = await runTool(
  { name: "npm run attack", read: readArguments, run, exitCodeOf: () => undefined },
  process.argv.slice(2),
);
