/** `npm run attack`. Exit codes: 0 every attack came to nothing, 1 one did not, 2 wrong arguments. */
import { parseArgs } from "node:util";
import { guardProcess, systemClock } from "@lifeline/measure";
import { ATTACKS } from "./attacks.ts";
import { isInside } from "./network-namespace.ts";
import { judged, LIMITS, type Played, play } from "./play.ts";
import { openTestBed } from "./test-bed.ts";

const SECONDS = { least: 1, most: 600, usual: 5 };

const USAGE = `npm run attack -- [--only NAME ...] [--seconds N] [--json]

Plays the attacks of docs/security.md on the shipped collector, agent and reflector, over real sockets on loopback, with honest nodes
beside them. The collector runs in a memory cgroup of 2 GiB where this machine lets one be made (root). An attack is held when it comes to
nothing and costs no restart, less than ${LIMITS.peakRssMb} MB, and honest nodes at most ${LIMITS.honestAckP99Ms} ms for an acknowledgement (p99).

  --only NAME    one of ${ATTACKS.map(({ name }) => name).join(", ")};
                 may be given more than once
  --seconds N    how long each flood lasts, ${SECONDS.least} to ${SECONDS.most} (default ${SECONDS.usual}); floods that attack a deadline last longer than it
  --json         one JSON array: attack, position, tries, outcome (held, broke, skipped), observed, collectorCpuSeconds, peakRssMb,
                 honestAckP99Ms, honestAdmitMs, honestRefused, restarts, memoryLimit
`;

guardProcess();

interface Arguments {
  readonly only: readonly string[];
  readonly seconds: number;
  readonly json: boolean;
  readonly help: boolean;
}

/** What was asked for, or what is wrong with it. */
function readArguments(args: readonly string[]): Arguments | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        only: { type: "string", multiple: true },
        seconds: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean" },
      },
    });
    const { only = [], seconds = String(SECONDS.usual), json = false, help = false } = values;
    const unknown = only.find((name) => ATTACKS.every((attack) => attack.name !== name));
    if (unknown !== undefined) return `--only: got '${unknown}', want the name of an attack`;
    const isRight = /^\d{1,3}$/.test(seconds) && Number(seconds) >= SECONDS.least && Number(seconds) <= SECONDS.most;
    if (!isRight) return `--seconds: got '${seconds}', want an integer from ${SECONDS.least} to ${SECONDS.most}`;
    return { only, seconds: Number(seconds), json, help };
  } catch (error) {
    // Node's own words name the argument.
    return error instanceof Error ? error.message : String(error);
  }
}

function line({ attack, outcome, observed, ...cost }: Played): string {
  const { collectorCpuSeconds, peakRssMb, honestAckP99Ms, restarts } = cost;
  const costs = `${collectorCpuSeconds.toFixed(1)} s CPU, ${peakRssMb} MB, ack ${honestAckP99Ms} ms, ${restarts} restarts`;
  return `${outcome === "broke" ? "BROKE" : outcome.padEnd(5)}  ${attack.padEnd(24)} ${costs}: ${observed}\n`;
}

async function main(args: readonly string[]): Promise<number> {
  const read = readArguments(args);
  if (typeof read === "string") {
    process.stderr.write(`npm run attack: ${read}\n${USAGE}`);
    return 2;
  }
  const { only, seconds, json, help } = read;
  if (help) {
    process.stdout.write(USAGE);
    return 0;
  }
  // Inside, attackers come by IPv6 as well.
  const testBed = await openTestBed({ clock: systemClock, seconds, host: isInside ? "::" : "127.0.0.1" });
  const played: Played[] = [];
  try {
    const usualMs = Math.round(await testBed.usualAckP99Ms());
    const limit = `the collector's memory is limited by: ${testBed.collector.limit.kind}`;
    process.stderr.write(`${limit}; without an attack an honest report is acknowledged after ${usualMs} ms (p99)\n`);
    for (const attack of ATTACKS.filter(({ name }) => only.length === 0 || only.includes(name))) {
      const measured = await play(attack, testBed);
      // Inside, whoever has started this program judges.
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

process.exitCode = await main(process.argv.slice(2));
