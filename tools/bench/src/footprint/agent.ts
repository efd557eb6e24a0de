/** The agent as it runs on a node, with a plan from a file and no collector. */
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Target, targetId } from "@lifeline/measure";
import type { BenchProcess, Workshop } from "../workshop.ts";

/** The built program; `src` and `dist` are equally deep. */
const AGENT_MAIN = fileURLToPath(new URL("../dist/main.js", import.meta.resolve("@lifeline/agent")));

/** V8 and libuv kept small, as the agent's heap is: a young generation of 1 MB, an old one of 48 MB, no worker pools. */
const NODE_FLAGS = ["--max-semi-space-size=1", "--max-old-space-size=48", "--optimize-for-size", "--v8-pool-size=0"];
/** One malloc arena (mallopt(3)) and one libuv worker (libuv threadpool documentation). */
const SMALL = { MALLOC_ARENA_MAX: "1", UV_THREADPOOL_SIZE: "1" };

const CADENCE_MS = 1_000;
/** Under the second after which Linux sends a SYN again. */
const TIMEOUT_MS = 900;

/** Starts an agent that connects to each of `ports` once a second. */
export async function startAgent(workshop: Workshop, address: string, ports: readonly number[]): Promise<BenchProcess> {
  const folder = await workshop.folder();
  const plan = join(folder, "plan.json");
  const config = join(folder, "agent.yaml");
  const node = join(folder, "node");
  await writeFile(plan, JSON.stringify({ targets: ports.map((port) => targetOf(address, port)) }));
  const settings = { plan: { file: plan }, stateDir: join(folder, "state"), nodeId: "bench", logLevel: "warn" };
  // JSON is YAML (YAML 1.2 §1.3).
  await writeFile(config, JSON.stringify(settings));
  // Its own copy, so that no page is shared with the bench's other Node processes.
  await copyFile(process.execPath, node);
  return workshop.start({
    name: "agent",
    command: node,
    args: [...NODE_FLAGS, AGENT_MAIN, "--config", config],
    env: { ...SMALL, ...withoutSettings() },
  });
}

function targetOf(address: string, port: number): Target {
  const parts = {
    requirementId: "bench",
    host: address,
    port,
    family: 4,
    options: { probe: "tcp", acceptReset: false },
  } as const;
  return { ...parts, id: targetId(parts), cadenceMs: CADENCE_MS, timeoutMs: TIMEOUT_MS };
}

/** The caller's own settings of an agent are none of this one's: an empty variable is as good as none. */
function withoutSettings(): Record<string, string> {
  const names = Object.keys(process.env).filter((name) => name.startsWith("LIFELINE_"));
  return Object.fromEntries(names.map((name) => [name, ""]));
}
