/** The shipped collector and one shipped agent, a relay between them that can be cut, and the ports that are measured. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AGENT_NODE, COLLECTOR_NODE, type NodeProcess } from "@lifeline/bundle";
import { entry, loopbackCatalogue, openTarget, type Relay, startRelay, turnTargets } from "@lifeline/crash";
import { jsonFile, Part, StartError, untilReady } from "@lifeline/local";
import type { Clock } from "@lifeline/measure";
import { openCredentials, type SoakCredentials, writeTokens } from "./credentials.ts";
import { SoakError } from "./soak-error.ts";

/** Everything that runs. */
export interface Stage {
  readonly agent: Part;
  readonly collector: Part;
  readonly relay: Relay;
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly credentials: SoakCredentials;
  /** The collector's database. */
  readonly database: string;
  close(): Promise<void>;
}

/** The measured agent's node. */
export const NODE_ID = "soaked";

/** Ports that are measured, and rows that name each: sixty targets. That two name one doubles what a larger fleet costs it. */
const PORTS = 30;
const ROWS_PER_PORT = 2;

/** Ports that turn, and how often one of them does, ms: each every four seconds, and every turn seals a window early. */
const TURNING_PORTS = 8;
const TURN_EVERY_MS = 500;

/** The fastest cadence a target may have, ms. */
const CADENCE_MS = 100;

/** How long the programs may take to end, ms: twice what either promises. */
const STOP_GRACE_MS = 6_000;

const DEPLOYMENT = {
  version: 1,
  name: "soak",
  kind: "on-prem",
  omni: { api: "https://omni.example.test", machineApi: "https://omni.example.test:8090" },
};

/** Starts everything. Rejects with a SoakError `not-started`, having ended what it started; or with an AbortError. */
export async function openStage(clock: Clock, signal: AbortSignal): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), "lifeline-soak-"));
  const relay = await startRelay(clock);
  const targets = await Promise.all(Array.from({ length: PORTS }, openTarget));
  const turning = turnTargets(targets.slice(0, TURNING_PORTS), TURN_EVERY_MS, clock);
  const parts: Part[] = [];
  const close = async () => {
    for (const part of parts.toReversed()) await part.stop(STOP_GRACE_MS);
    turning.stop();
    await relay.close();
    for (const target of targets) target.close();
    rmSync(folder, { recursive: true, force: true });
  };
  const start = (name: "agent" | "collector", args: readonly string[], { flags, environment }: NodeProcess): Part => {
    const [file = "", ...before] = entry(name).toReversed();
    const nodeArguments = [...flags, ...before.toReversed()];
    const part = Part.start({
      name,
      program: [file, ...args],
      nodeArguments,
      environment,
      logFile: join(folder, `${name}.log`),
      clock,
    });
    parts.push(part);
    return part;
  };
  try {
    const files = writeFiles(
      folder,
      targets.map(({ port }) => port),
    );
    const tokens = writeTokens(folder);
    // An hour, the least there is: the agent renews every forty minutes.
    const identity = ["--identity-name", "127.0.0.1", "--node-certificate-hours", "1", "--access-tokens", tokens.path];
    const collector = start(
      "collector",
      [...files, ...identity, "--ready-file", join(folder, "ready")],
      COLLECTOR_NODE,
    );
    const ready = async () => jsonFile<{ grpcPort: number; httpPort: number }>(join(folder, "ready"));
    const { grpcPort, httpPort } = await untilReady(collector, clock, signal, ready);
    relay.target(grpcPort);
    const credentials = await openCredentials(folder, join(folder, "store"), grpcPort, tokens, clock);
    const { enrol } = credentials;
    const stateDir = join(folder, "agent");
    mkdirSync(stateDir);
    const config = join(folder, "agent.yaml");
    const logLevel = "warn";
    writeFileSync(
      config,
      JSON.stringify({ collector: `127.0.0.1:${relay.port}`, stateDir, nodeId: NODE_ID, logLevel, enrol }),
    );
    const agent = start("agent", ["--config", config], AGENT_NODE);
    const database = join(folder, "store", "collector.db");
    return { agent, collector, relay, grpcPort, httpPort, credentials, database, close };
  } catch (error) {
    await close();
    if (error instanceof StartError) throw new SoakError("not-started", error.message);
    throw error;
  }
}

/** Writes deployment and catalogue; the collector's arguments that name them. */
function writeFiles(folder: string, ports: readonly number[]): readonly string[] {
  const deployment = join(folder, "deployment.yaml");
  writeFileSync(deployment, JSON.stringify(DEPLOYMENT));
  const catalogue = join(folder, "catalogue.yaml");
  const rows = ports.flatMap((port, at) =>
    Array.from({ length: ROWS_PER_PORT }, (_, twin) => ({ id: `soak-${at}-${twin}`, port, cadenceMs: CADENCE_MS })),
  );
  writeFileSync(catalogue, loopbackCatalogue("soak", rows));
  // A day, the least there is: the database grows through a shorter soak, and is told apart.
  const bounds = ["--retention-days", "1", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"];
  return ["--data-dir", join(folder, "store"), "--deployment", deployment, "--catalogue", catalogue, ...bounds];
}
