/** How the agent's Node is started where every MB stays in RAM on the node: what each is worth stands in BUDGETS.md. */

/** V8 kept as small as the agent's heap is: a young generation of 1 MB, an old one of 48 MB at most, code that is small before it is fast. */
export const AGENT_NODE_FLAGS: readonly string[] = [
  "--max-semi-space-size=1",
  "--max-old-space-size=48",
  "--optimize-for-size",
  "--v8-pool-size=0",
];

/** One malloc arena (mallopt(3)) and one libuv worker (libuv threadpool documentation). */
export const AGENT_ENVIRONMENT: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: "1", UV_THREADPOOL_SIZE: "1" };
