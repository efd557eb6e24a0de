/** The agent's process: configuration in, signals in, exit code out (0 stopped, 1 defect, 2 configuration). */
import { parseArgs } from "node:util";
import { guardProcess, systemClock } from "@lifeline/measure";
import {
  type AgentConfig,
  configFileOf,
  DEFAULT_CONFIG_FILE,
  environmentOverrides,
  loadConfig,
  type Override,
  unknownVariables,
  VARIABLE_NAMES,
} from "./config.ts";
import { ConfigError } from "./config-error.ts";
import { createLog } from "./log.ts";
import { startAgent } from "./pipeline.ts";
import { startReleasing } from "./process/memory-release.ts";
import { openNativeCalls } from "./process/native-calls.ts";
import { AGENT_VERSION } from "./version.ts";
import { createAgentWorld } from "./world.ts";

guardProcess();

// Node warns on stderr, between lines of JSON, that a collector named by its address is named so within TLS too (DEP0123): grpc-js's doing.
process.noDeprecation = true;

const EXIT_DEFECT = 1;
const EXIT_CONFIG = 2;

const HELP = `lifeline-agent: measures from this node what Omni needs to be reachable

  --config FILE       YAML configuration; default ${DEFAULT_CONFIG_FILE}, where there is one
  --collector H:P     where reports go; without one they are only spooled
  --plan FILE         measure what this file says instead of what the collector says
  --state-dir DIR     where the spool, the plan and a random node id are kept
  --node-id ID        this node's id
  --log-level LEVEL   trace, debug, info, warn, error, fatal or silent
  --version, --help

environment: ${VARIABLE_NAMES.join(" ")} HTTPS_PROXY HTTP_PROXY NO_PROXY
`;

/** Flags that set a field of the configuration. */
const FIELD_OF_FLAG = {
  collector: "collector",
  plan: "plan.file",
  "state-dir": "stateDir",
  "node-id": "nodeId",
  "log-level": "logLevel",
} as const;

type Command =
  | { readonly kind: "run"; readonly config: AgentConfig }
  | { readonly kind: "print"; readonly text: string };

function parseCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Command {
  const values = parseFlags(args);
  if (values.help === true) return { kind: "print", text: HELP };
  if (values.version === true) return { kind: "print", text: `${AGENT_VERSION}\n` };
  const flags = Object.entries(FIELD_OF_FLAG).flatMap(([flag, field]): Override[] => {
    const value = values[flag as keyof typeof FIELD_OF_FLAG];
    return value === undefined ? [] : [{ source: `--${flag}`, field, value }];
  });
  return {
    kind: "run",
    config: loadConfig(configFileOf(values.config, environment), [...environmentOverrides(environment), ...flags]),
  };
}

function parseFlags(args: readonly string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        config: text,
        collector: text,
        plan: text,
        "state-dir": text,
        "node-id": text,
        "log-level": text,
        version: flag,
        help: flag,
      },
    }).values;
  } catch (error) {
    if (error instanceof TypeError) throw new ConfigError("invalid", `command line: ${error.message}; see --help`);
    throw error;
  }
}

async function run(config: AgentConfig): Promise<void> {
  const log = createLog(systemClock, config.logLevel);
  const onDefect = (error: unknown) => {
    log.fatal({ err: error }, "the agent ends: a defect");
    process.exit(EXIT_DEFECT);
  };
  process.on("uncaughtException", onDefect);
  process.on("unhandledRejection", onDefect);
  const unknown = unknownVariables(process.env);
  if (unknown.length > 0) log.warn({ variables: unknown, known: VARIABLE_NAMES }, "variables that mean nothing here");

  const starting = startAgent(config, createAgentWorld(config, log, process.env), onDefect);
  const stop = (why: NodeJS.Signals | "disconnect") => {
    log.info({ why }, "stopping");
    // Attempts under way hold sockets; nobody waits for them any more.
    starting.then((agent) => agent.stop()).then(() => process.exit(0), onDefect);
  };
  // Node ignores SIGTERM as process 1 unless it listens.
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  // Started by another process with a channel to it: when that one is gone, this one has nobody to work for.
  process.once("disconnect", () => stop("disconnect"));
  await starting;
  startReleasing(systemClock, openNativeCalls());
}

try {
  const command = parseCommand(process.argv.slice(2), process.env);
  if (command.kind === "print") process.stdout.write(command.text);
  else await run(command.config);
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  createLog(systemClock, "info").fatal({ code: error.code }, error.message);
  process.exitCode = EXIT_CONFIG;
}
