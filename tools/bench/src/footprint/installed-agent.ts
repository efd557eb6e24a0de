/**
 * The agent as it runs on a node: one bundle with koffi beside it, Node's flags of the image, its plan from a
 * collector.
 */
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AGENT_NODE, bundleProgram, NATIVE_FILE, nativeModule } from "@lifeline/bundle";
import { BenchError } from "../bench-error.ts";
import type { BenchProcess, Workshop } from "../workshop.ts";
import type { PlanCollector } from "./plan-collector.ts";
import type { StandIns } from "./stand-ins.ts";

/** An agent that can be started, and started again with the state it has. */
export interface InstalledAgent {
  /** Of the bundle, without koffi. */
  readonly bundleBytes: number;
  start(): BenchProcess;
}

/** Bundles and configures an agent of `site`. */
export async function installAgent(
  workshop: Workshop,
  { collector, enrol }: PlanCollector,
  { caFile, hostsFile }: Pick<StandIns, "caFile" | "hostsFile">,
): Promise<InstalledAgent> {
  const folder = await workshop.folder();
  const [main, node, config] = ["agent.mjs", "node", "agent.yaml"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const { code } = await bundleProgram("apps/agent/src/main.ts");
  await writeFile(main, code);
  await copyFile(installedNative(), join(folder, NATIVE_FILE));
  const settings = { collector, enrol, hostsFile, stateDir: join(folder, "state"), nodeId: "bench", logLevel: "warn" };
  // JSON is YAML (YAML 1.2 §1.3).
  await writeFile(config, JSON.stringify(settings));
  // Its own copy, so that no page is shared with the bench's other Node processes.
  await copyFile(process.execPath, node);
  return {
    bundleBytes: code.length,
    start() {
      const agent = workshop.start({
        name: "agent",
        command: node,
        args: [...AGENT_NODE.flags, main, "--config", config],
        // The stand-ins' CA and the public CAs, whose certificates are in memory on a node too.
        env: { ...AGENT_NODE.environment, ...withoutSettings(), NODE_EXTRA_CA_CERTS: caFile },
      });
      agent.stdout.resume();
      return agent;
    },
  };
}

function installedNative(): string {
  const native = nativeModule();
  if (native !== undefined) return native;
  throw new BenchError("cannot-run", `${process.arch}: the agent's native module is for x64 and arm64`);
}

/** The caller's own settings of an agent are none of this one's: an empty variable is as good as none. */
function withoutSettings(): Record<string, string> {
  const names = Object.keys(process.env).filter((name) => name.startsWith("LIFELINE_"));
  return Object.fromEntries(names.map((name) => [name, ""]));
}
