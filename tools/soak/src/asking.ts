/** People and programs that ask: status, nodes, one node, incidents and a scrape, every second. */
import { type Clock, pause } from "@lifeline/measure";
import { createRpcClient, RpcError } from "@lifeline/rpc";
import { queryPb } from "@lifeline/wire";
import type { SoakCredentials } from "./credentials.ts";

/** What was asked. */
export interface AskingCounts {
  queries: number;
  scrapes: number;
  /** Questions without an answer in time. */
  unanswered: number;
}

const ASK_EVERY_MS = 1_000;

/** How long an answer may take, ms. */
const ANSWER_TIMEOUT_MS = 5_000;

/** What is asked, and until when. */
export interface AskingOptions {
  readonly credentials: SoakCredentials;
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly counts: AskingCounts;
}

/** Asks until `signal` aborts. */
export async function runAsking(options: AskingOptions): Promise<void> {
  const { grpcPort, httpPort, credentials, nodeId, clock, signal, counts } = options;
  const address = `127.0.0.1:${grpcPort}`;
  const client = createRpcClient(queryPb.QueryService, address, credentials.verified);
  const within = { timeoutMs: ANSWER_TIMEOUT_MS, bearerToken: credentials.readerToken };
  const query = async (ask: Promise<unknown>) => {
    try {
      await ask;
      counts.queries += 1;
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      counts.unanswered += 1;
    }
  };
  while (!signal.aborted) {
    await Promise.all([
      query(client.unary("listVerdicts", {}, within)),
      query(client.unary("listNodes", {}, within)),
      query(client.unary("getNode", { nodeId }, within)),
      query(client.unary("listIncidents", {}, within)),
      scrape(`http://127.0.0.1:${httpPort}/metrics`, counts),
    ]);
    await pause(clock, ASK_EVERY_MS, signal);
  }
  client.close();
}

async function scrape(url: string, counts: AskingCounts): Promise<void> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
    await response.arrayBuffer();
    counts.scrapes += 1;
  } catch {
    // Whatever keeps a scrape from its answer: no answer is what is counted.
    counts.unanswered += 1;
  }
}
