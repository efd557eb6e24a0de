/**
 * Queries the collector for every row in a loop, and prints each answer as one line of JSON. Ends when stdin ends.
 *
 * It is a program of its own because the collector is in a network namespace and the program that draws the screen is
 * not.
 *
 * Usage: `node observer/main.js HOST:PORT EVERY_MS`.
 */
import { collectorAddress, fetchStatus, openCollector } from "@lifeline/cli";
import { pause, systemClock } from "@lifeline/measure";
import { RpcError } from "@lifeline/rpc";

const [collector = "", everyMs = ""] = process.argv.slice(2);
const ended = new AbortController();
process.stdin.on("end", () => ended.abort());
process.stdin.resume();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => ended.abort());
process.stdout.on("error", () => ended.abort());

const client = await openCollector(collectorAddress({ collector, allowPlaintext: true }, {}));
while (!ended.signal.aborted) {
  try {
    process.stdout.write(`${JSON.stringify(await fetchStatus(client, { signal: ended.signal }))}\n`);
  } catch (error) {
    // Query again when the collector is busy or not started yet.
    if (!(error instanceof RpcError) && !ended.signal.aborted) throw error;
  }
  await pause(systemClock, Number(everyMs), ended.signal);
}
client.close();
