/** Clients that query: status, nodes, one node, incidents and a scrape, every second. */
import type { CollectorFixture } from "@lifeline/harness";
import { type Clock, pause } from "@lifeline/measure";
import { createRpcClient, RpcError } from "@lifeline/rpc";
import { queryPb } from "@lifeline/wire";

/** How many there were. */
export interface QueryCounts {
  queries: number;
  scrapes: number;
  /** Queries and scrapes without an answer in time. */
  unanswered: number;
}

const QUERY_EVERY_MS = 1_000;

/** How long an answer may take, ms. */
const ANSWER_TIMEOUT_MS = 5_000;

/** Inputs of the queries, which end with `signal`. */
export interface QueryOptions {
  readonly collector: CollectorFixture;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly counts: QueryCounts;
}

/** Queries until `signal` aborts. */
export async function runQueries({ collector, nodeId, clock, signal, counts }: QueryOptions): Promise<void> {
  const client = createRpcClient(queryPb.QueryService, collector.address, collector.credentials());
  const options = { timeoutMs: ANSWER_TIMEOUT_MS, bearerToken: collector.readerToken };
  const count = async (answer: Promise<unknown>) => {
    try {
      await answer;
      counts.queries += 1;
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      counts.unanswered += 1;
    }
  };
  while (!signal.aborted) {
    await Promise.all([
      count(client.unary("listVerdicts", {}, options)),
      count(client.unary("listNodes", {}, options)),
      count(client.unary("getNode", { nodeId }, options)),
      count(client.unary("listIncidents", {}, options)),
      scrape(`http://127.0.0.1:${collector.httpPort}/metrics`, counts),
    ]);
    await pause(clock, QUERY_EVERY_MS, signal);
  }
  client.close();
}

async function scrape(url: string, counts: QueryCounts): Promise<void> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
    await response.arrayBuffer();
    counts.scrapes += 1;
  } catch {
    // Any failure is a scrape without an answer.
    counts.unanswered += 1;
  }
}
