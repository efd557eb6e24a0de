/** The agent's process: settings in, signals in, exit code out (0 stopped, 1 defect, 2 settings). */
import { guardProcess, systemClock } from "@lifeline/measure";
import { ConfigError, createLog } from "@lifeline/settings";
import { startAgent } from "./agent.ts";
import { type AgentConfig, readAgentCommand } from "./config.ts";
import { startReleasing } from "./process/memory-release.ts";
import { openNativeCalls } from "./process/native-calls.ts";
import { createAgentWorld } from "./world.ts";

guardProcess();

const EXIT_DEFECT = 1;
const EXIT_CONFIG = 2;

async function run(config: AgentConfig): Promise<void> {
  const log = createLog(systemClock, config.logLevel);
  const onDefect = (error: unknown) => {
    log.fatal({ err: error }, "the agent ends because of a defect");
    process.exit(EXIT_DEFECT);
  };
  process.on("uncaughtException", onDefect);
  process.on("unhandledRejection", onDefect);

  const starting = startAgent(config, createAgentWorld(config, log, process.env), onDefect);
  const stop = (why: NodeJS.Signals | "disconnect") => {
    log.info({ why }, "stopping");
    // Attempts in flight hold sockets, and nothing waits for them now.
    starting.then((agent) => agent.stop()).then(() => process.exit(0), onDefect);
  };
  // Node ignores SIGTERM as process 1 unless it listens.
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  // Started by another process with a channel: the agent ends with it.
  process.once("disconnect", () => stop("disconnect"));
  await starting;
  startReleasing(systemClock, openNativeCalls());
}

try {
  const command = readAgentCommand(process.argv.slice(2), process.env);
  if (command.kind === "print") process.stdout.write(command.text);
  else await run(command.config);
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  const log = createLog(systemClock);
  for (const { code, line } of error.problems) log.fatal({ code }, line);
  process.exitCode = EXIT_CONFIG;
}
