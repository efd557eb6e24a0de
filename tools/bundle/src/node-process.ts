/**
 * Flags and environment of the programs' Node, for images, units, `npm start`, the lab and benchmarks. BUDGETS.md says
 * what each flag saves.
 */

/** Flags and environment of a program's Node. */
export interface NodeProcess {
  readonly flags: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** SIGUSR1 opens no inspector. Once loaded, the programs ignore the signal themselves (guardProcess of measure). */
const NO_INSPECTOR = "--disable-sigusr1";

/**
 * MiB. Talos limits no extension's memory, so the heap has a limit. The agent ends when the heap is full, so the limit
 * is well above what it holds at most: an index of 10 MiB for a full spool, 4 MiB of reports in memory, and one report
 * of 4 MiB being encoded.
 */
const AGENT_OLD_SPACE_MAX_MIB = 96;

/**
 * The agent, which must use little of a node's memory. V8 has a young generation of 1 MB, prefers small code, and has
 * no optimising compilers, because the agent's hot paths (handshakes, compression) are not JavaScript. malloc has one
 * arena (mallopt(3)). libuv has two workers (its threadpool documentation), so that the spool is written while one
 * waits for a resolver (getaddrinfo).
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
 * The collector, whose heap grows with its fleet, so that the limit is relative. V8 collects when the heap is twice
 * what is alive (its default: four times), and has a young generation of at most 3 × 16 MB. malloc has two arenas, one
 * for each busy thread.
 */
export const COLLECTOR_NODE: NodeProcess = {
  flags: [NO_INSPECTOR, "--max-semi-space-size=16", "--heap-growing-percent=100"],
  environment: { MALLOC_ARENA_MAX: "2" },
};

/** The reflector and the command line: Node's defaults, without the inspector. */
export const PLAIN_NODE: NodeProcess = { flags: [NO_INSPECTOR], environment: {} };
