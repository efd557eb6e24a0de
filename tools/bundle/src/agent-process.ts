/** How the agent's Node is started where every MB stays in RAM on the node: what each is worth stands in BUDGETS.md. */

/**
 * MiB. The kernel sets no bound to an extension's memory, so the heap has one: well above what the agent holds at its own bounds (an index of
 * 10 MiB for the fullest spool, 4 MiB of reports in memory, one report of 4 MiB being encoded), since a heap that is full is an agent that ends.
 */
const OLD_SPACE_MAX_MIB = 96;

/** V8 kept as small as the agent's heap is: a young generation of 1 MB, code that is small before it is fast. */
export const AGENT_NODE_FLAGS: readonly string[] = [
  "--max-semi-space-size=1",
  `--max-old-space-size=${OLD_SPACE_MAX_MIB}`,
  "--optimize-for-size",
  "--v8-pool-size=0",
];

/**
 * One malloc arena (mallopt(3)), and two libuv workers (libuv threadpool documentation): while one waits for a resolver that does not answer
 * (getaddrinfo), the spool is still written.
 */
export const AGENT_ENVIRONMENT: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: "1", UV_THREADPOOL_SIZE: "2" };
