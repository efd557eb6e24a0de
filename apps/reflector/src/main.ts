/** Runs a reflector until SIGTERM or SIGINT. Exit codes: 0 asked to stop, 1 cannot listen, 2 bad flags or key file. */
import { systemClock } from "@lifeline/measure";
import { pino } from "pino";
import { type Flags, parseFlags, USAGE } from "./flags.ts";
import { readKeyFile } from "./key-file.ts";
import { type Reflector, startReflector } from "./reflector.ts";

/** Time between two lines of counters in the log: one minute. */
const STATS_PERIOD_MS = 60_000;

const EXIT_CANNOT_LISTEN = 1;
const EXIT_BAD_FLAGS = 2;

const log = pino({ name: "lifeline-reflector" });

await main();

async function main(): Promise<void> {
  const parsed = parseFlags(process.argv.slice(2));
  switch (parsed.kind) {
    case "help":
      process.stdout.write(USAGE);
      return;
    case "bad":
      return refuse(parsed.message);
    case "run":
      return run(parsed.flags);
  }
}

function refuse(message: string): void {
  process.stderr.write(`lifeline-reflector: ${message}\n`);
  process.exitCode = EXIT_BAD_FLAGS;
}

async function run({ host, port, keyFile, maxPerSourcePerSecond }: Flags): Promise<void> {
  const read = keyFile === undefined ? undefined : readKeyFile(keyFile);
  if (read?.kind === "bad") return refuse(read.message);
  try {
    const reflector = await startReflector({
      host,
      port,
      clock: systemClock,
      log,
      maxPerSourcePerSecond,
      ...(read === undefined ? {} : { key: read.key }),
    });
    log.info({ ...reflector.address, authenticated: read !== undefined }, "reflecting");
    await untilAsked(reflector);
  } catch (error) {
    log.fatal({ err: error, host, port }, "cannot listen");
    process.exitCode = EXIT_CANNOT_LISTEN;
  }
}

async function untilAsked(reflector: Reflector): Promise<void> {
  let timer = systemClock.after(STATS_PERIOD_MS, report);
  function report(): void {
    log.info(reflector.stats(), "counters");
    timer = systemClock.after(STATS_PERIOD_MS, report);
  }
  await new Promise<void>((resolve) => {
    process.once("SIGTERM", () => resolve());
    process.once("SIGINT", () => resolve());
  });
  timer.cancel();
  await reflector.close();
  log.info(reflector.stats(), "stopped");
}
