/**
 * Queries the collector for every row in a loop, and prints each answer as one line of JSON. A node's id, as a line on
 * stdin, is answered by a line with that node's incidents of the last ten minutes, as an array. Ends when stdin ends.
 *
 * It is a program of its own because the collector is in a network namespace and the program that draws the screen is
 * not.
 *
 * Usage: `node observer/main.js HOST:PORT EVERY_MS`.
 */
import { createInterface } from "node:readline";
import { collectorAddress, fetchIncidents, fetchStatus, openCollector } from "@lifeline/cli";
import { pause, systemClock } from "@lifeline/measure";
import { RpcError } from "@lifeline/rpc";

/** How far back incidents are fetched, ms. */
const SINCE_MS = 600_000;

const [collector = "", everyMs = ""] = process.argv.slice(2);
const ended = new AbortController();
const nodes: string[] = [];
createInterface({ input: process.stdin })
  .on("line", (node) => nodes.push(node))
  .on("close", () => ended.abort());
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => ended.abort());
process.stdout.on("error", () => ended.abort());

const client = await openCollector(collectorAddress({ collector, allowPlaintext: true }, {}));
while (!ended.signal.aborted) {
  try {
    const status = await fetchStatus(client, { signal: ended.signal });
    process.stdout.write(`${JSON.stringify(status)}\n`);
    for (let node = nodes[0]; node !== undefined; node = nodes[0]) {
      process.stdout.write(`${JSON.stringify(await incidentsOf(node, status.generatedAtMs))}\n`);
      nodes.shift();
    }
  } catch (error) {
    // Query again when the collector is busy or not started yet.
    if (!(error instanceof RpcError) && !ended.signal.aborted) throw error;
  }
  await pause(systemClock, Number(everyMs), ended.signal);
}
client.close();

async function incidentsOf(node: string, nowMs: number) {
  const { incidents } = await fetchIncidents(client, { node, sinceMs: nowMs - SINCE_MS, signal: ended.signal });
  return incidents.map(({ id, requirementId: requirement, targetId, cause, endUnixMs }) => {
    return { id: Number(id), node, requirement, targetId, cause, isOpen: endUnixMs === undefined };
  });
}
