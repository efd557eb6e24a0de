/** How the programs' Node is started by images, units, `npm start`, the lab, and where its memory is measured. BUDGETS.md says what each flag is worth. */

/** Flags and environment of a program's Node. */
export interface NodeProcess {
  readonly flags: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** SIGUSR1 opens no inspector, from the first moment on; later the programs themselves see to it (guardProcess of measure). */
const NO_INSPECTOR = "--disable-sigusr1";

/**
 * MiB. The kernel sets no bound to an extension's memory, so the heap has one: well above what the agent holds at its own bounds (an index of
 * 10 MiB for the fullest spool, 4 MiB of reports in memory, one report of 4 MiB being encoded), since a heap that is full is an agent that ends.
 */
const AGENT_OLD_SPACE_MAX_MIB = 96;

/**
 * The agent, every MB of which stays in RAM on the node. V8 kept as small as the agent's heap is: a young generation of 1 MB, code that is
 * small before it is fast, and none of the compilers that make it fast, for what the agent does much of (handshakes, packing) is not JavaScript.
 * One malloc arena (mallopt(3)), and two libuv workers (libuv threadpool documentation): while one waits for a resolver that does not answer
 * (getaddrinfo), the spool is still written.
 */
export const AGENT_NODE: NodeProcess = {
  flags: [
    NO_INSPECTOR,
    "--max-semi-space-size=1",
    `--max-old-space-size=${AGENT_OLD_SPACE_MAX_MIB}`,
    "--optimize-for-size",
    "--v8-pool-size=0",
    "--no-opt",
    "--no-maglev",
  ],
  environment: { MALLOC_ARENA_MAX: "1", UV_THREADPOOL_SIZE: "2" },
};

/**
 * The collector, whose heap is as large as its fleet: so no bound in MiB but a share. V8 may let the heap grow to twice what lives before it
 * collects (its own rule: to four times as much), keeps a young generation of 3 × 16 MB at most, and malloc two arenas, one for each thread at work.
 */
export const COLLECTOR_NODE: NodeProcess = {
  flags: [NO_INSPECTOR, "--max-semi-space-size=16", "--heap-growing-percent=100"],
  environment: { MALLOC_ARENA_MAX: "2" },
};

/** The reflector and the command line: Node as it is, but for the inspector. */
export const PLAIN_NODE: NodeProcess = { flags: [NO_INSPECTOR], environment: {} };
