/**
 * Asks the collector for every row, again and again, and prints each answer as one line of JSON. A program of its own,
 * for the collector is in a network namespace and who draws the screen is not. Ends when its stdin does.
 *
 *   node observer/main.js HOST:PORT EVERY_MS
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
    // A collector that is not there yet, or busy, is asked again.
    if (!(error instanceof RpcError) && !ended.signal.aborted) throw error;
  }
  await pause(systemClock, Number(everyMs), ended.signal);
}
client.close();
