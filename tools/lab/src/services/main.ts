/**
 * The services of the lab's Omni host as a process.
 *
 * Prints one line of JSON (their state) on stdout when every listener is open, and logs to stderr. Ends cleanly on
 * SIGTERM or SIGINT, or when the channel to its starter closes. Exit status: 0 ended by one of these, 1 could not
 * start, 2 bad flags.
 */
import { once } from "node:events";
import { systemClock } from "@lifeline/measure";
import pino from "pino";
import { LabError } from "../lab-error.ts";
import { startServices } from "./lab-services.ts";
import { readServicesFlags } from "./services-flags.ts";

async function main(args: readonly string[]): Promise<void> {
  const log = pino({ name: "lab-services", base: { pid: process.pid } }, pino.destination({ fd: 2, sync: true }));
  const asked = Promise.race(["SIGTERM", "SIGINT", "disconnect"].map((signal) => once(process, signal)));
  const services = await startServices({ ...readServicesFlags(args), clock: systemClock, log });
  process.stdout.write(`${JSON.stringify(services.state())}\n`);
  await asked;
  await services.close();
  // An open channel to the starter would keep this process alive.
  if (process.connected) process.disconnect();
}

main(process.argv.slice(2)).catch((error: unknown) => {
  if (!(error instanceof LabError)) throw error;
  process.stderr.write(`lab-services: ${error.message}\n`);
  process.exit(error.code === "bad-input" ? 2 : 1);
});
