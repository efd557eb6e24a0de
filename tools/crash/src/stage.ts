/** Agent, collector, the way between them, and targets whose outcome turns so often that there is always something to seal. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "@lifeline/measure";
import { writeCredentials } from "./credentials.ts";
import { type Disk, makeDisk } from "./disk.ts";
import { createProgram, type Program, untilReady } from "./program.ts";
import { type Relay, startRelay } from "./relay.ts";
import { openTarget, turnTargets } from "./turning-target.ts";

/** Everything that is played with. */
export interface Stage {
  readonly agent: Program;
  readonly collector: Program;
  readonly relay: Relay;
  readonly agentDisk: Disk;
  readonly collectorDisk: Disk;
  /** The collector's database. */
  readonly database: string;
  /** Shifts a wall clock, ms. */
  jump(who: "agent" | "collector", byMs: number): void;
  /** Starts again what is dead, and points the relay at the collector. */
  revive(): Promise<void>;
  close(): Promise<void>;
}

/** The agent's node. */
const NODE_ID = "crash-1";

/** Targets of the plan: at twelve early seals a minute each, some three reports a second. */
const TARGETS = 16;

/** How often one of them turns, ms. */
const TURN_EVERY_MS = 150;

/** A tenth of a second, the fastest cadence a plan may have. */
const CADENCE_MS = 100;

/** Sizes of the disks, bytes: room for an hour of reports, and filled in a moment. */
const AGENT_DISK_BYTES = 24 * 1024 * 1024;
const COLLECTOR_DISK_BYTES = 64 * 1024 * 1024;

/** The least that a collector must be told; nothing of it is reached. */
export const DEPLOYMENT = `version: 1
name: crash
kind: on-prem
omni:
  api: https://omni.example.test
  machineApi: https://omni.example.test:8090
  siderolink: ["192.0.2.1:51820"]
`;

/** Builds the stage and starts both programs. */
export async function openStage(clock: Clock): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), "lifeline-crash-"));
  const agentDisk = makeDisk(join(folder, "agent"), AGENT_DISK_BYTES);
  const collectorDisk = makeDisk(join(folder, "collector"), COLLECTOR_DISK_BYTES);
  const relay = await startRelay(clock);
  const targets = await Promise.all(Array.from({ length: TARGETS }, openTarget));
  const planFile = join(folder, "plan.yaml");
  writeFileSync(planFile, JSON.stringify({ targets: targets.map(({ port }) => planTarget(port)) }));
  const deployment = join(folder, "deployment.yaml");
  writeFileSync(deployment, DEPLOYMENT);
  const credentials = await writeCredentials(folder, NODE_ID, clock);
  const clockFile = (who: string) => join(folder, `${who}.clock`);
  const readyFile = join(folder, "ready");
  const agent = createProgram({
    room: "agent",
    args: ["--collector", `127.0.0.1:${relay.port}`, "--plan", planFile, "--node-id", NODE_ID],
    environment: {
      ...credentials.agentEnvironment,
      LIFELINE_STATE_DIR: join(agentDisk.path, "state"),
      LIFELINE_LOG_LEVEL: "debug",
    },
    clockFile: clockFile("agent"),
  });
  const files = [
    "--data-dir",
    join(collectorDisk.path, "store"),
    "--deployment",
    deployment,
    "--ready-file",
    readyFile,
  ];
  const collector = createProgram({
    room: "collector",
    args: [...files, ...credentials.collectorArguments, "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"],
    environment: {},
    clockFile: clockFile("collector"),
  });
  const turning = turnTargets(targets, TURN_EVERY_MS, clock);
  const shifts = { agent: 0, collector: 0 };
  const revive = async () => {
    agent.start();
    if (collector.isAlive) return;
    rmSync(readyFile, { force: true });
    collector.start();
    await untilReady(readyFile, collector, clock);
    relay.target((JSON.parse(readFileSync(readyFile, "utf8")) as { grpcPort: number }).grpcPort);
  };
  const stage: Stage = {
    agent,
    collector,
    relay,
    agentDisk,
    collectorDisk,
    database: join(collectorDisk.path, "store", "collector.db"),
    jump(who, byMs) {
      shifts[who] += byMs;
      writeFileSync(clockFile(who), String(shifts[who]));
    },
    revive,
    async close() {
      await Promise.all([agent.kill(), collector.kill()]);
      turning.stop();
      await relay.close();
      for (const target of targets) target.close();
      for (const disk of [agentDisk, collectorDisk]) disk.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  mkdirSync(join(agentDisk.path, "state"), { recursive: true });
  await revive();
  return stage;
}

function planTarget(port: number) {
  const options = { probe: "tcp", acceptReset: false };
  return { requirementId: "crash", host: "127.0.0.1", port, family: 4, options, cadenceMs: CADENCE_MS, timeoutMs: 100 };
}
