/**
 * The stand-in Omni as a process.
 *
 * Prints one line of JSON (its state) on stdout when every listener is open, and logs to stderr. Ends cleanly on
 * SIGTERM or SIGINT. Exit status: 0 ended by a signal, 1 could not start, 2 bad flags.
 */
import { once } from "node:events";
import { systemClock } from "@lifeline/measure";
import pino from "pino";
import { readFlags } from "./flags.ts";
import { LabError } from "./lab-error.ts";
import { startStandIn } from "./stand-in.ts";

async function main(args: readonly string[]): Promise<void> {
  const log = pino({ name: "lab", base: { pid: process.pid } }, pino.destination({ fd: 2, sync: true }));
  const asked = askedToEnd();
  const { values } = readFlags(args, { names: ["control", "state-file", "name"], repeatable: ["name"] });
  const one = (flag: string) => values.get(flag)?.[0];
  const standIn = await startStandIn({
    controlPath: one("control"),
    stateFile: one("state-file"),
    names: values.get("name") ?? [],
    clock: systemClock,
    log,
  });
  process.stdout.write(`${JSON.stringify(standIn.state())}\n`);
  const signal = await asked;
  log.info({ signal }, "ending");
  await standIn.close();
  // An open channel to the starter would keep this process alive.
  if (process.connected) process.disconnect();
}

/** Resolves at the first signal to end; a second one while closing changes nothing. */
async function askedToEnd(): Promise<string> {
  // disconnect: the process that started this one with a channel to it is gone.
  const signals = ["SIGTERM", "SIGINT", "disconnect"] as const;
  return Promise.race(
    signals.map(async (signal) => {
      await once(process, signal);
      process.on(signal, () => undefined);
      return signal;
    }),
  );
}

main(process.argv.slice(2)).catch((error: unknown) => {
  if (!(error instanceof LabError)) throw error;
  process.stderr.write(`lab: ${error.message}\n`);
  process.exit(error.code === "bad-input" ? 2 : 1);
});
