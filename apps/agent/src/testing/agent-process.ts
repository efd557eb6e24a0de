/** The agent's own process, for tests. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A process that was started. */
export interface AgentProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  /** What it has printed on standard output. */
  output(): string;
  /** What it has printed on standard error. */
  errors(): string;
  /** Resolves with its exit code once it has ended; null: a signal's. */
  exit(): Promise<number | null>;
}

/** Starts the agent from its source, with the given environment only, as Talos does. The caller ends it. */
export function startAgentProcess(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): AgentProcess {
  const main = fileURLToPath(new URL("../main.ts", import.meta.url));
  const child = spawn(process.execPath, ["--conditions=lifeline:source", main, ...args], {
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
    process.stderr.write(chunk);
  });
  const closed = once(child, "close");
  return {
    child,
    pid: child.pid ?? 0,
    output: () => output,
    errors: () => errors,
    exit: async () => (await closed)[0] as number | null,
  };
}
