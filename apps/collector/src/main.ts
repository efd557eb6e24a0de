/** The collector as a program. Exit codes: 0 stopped on request, 1 a failure, 2 settings that cannot be used. */
import { CatalogueError, problemLine } from "@lifeline/catalogue";
import { writeWholeFile } from "@lifeline/identity";
import { guardProcess, systemClock } from "@lifeline/measure";
import { ConfigError, createLog } from "@lifeline/settings";
import { type Collector, STOP_WITHIN_MS, startCollector } from "./collector.ts";
import { type Config, readCollectorCommand } from "./config/config.ts";
import { CERTIFICATE_USAGE, runCertificate } from "./identity/certificate-command.ts";
import { BACKUP_USAGE, runBackup } from "./store/backup-command.ts";

guardProcess();

const log = createLog(systemClock);

function fail(error: unknown): never {
  if (error instanceof ConfigError) {
    for (const { code, line } of error.problems) log.fatal({ code }, line);
    process.exit(2);
  }
  if (error instanceof CatalogueError) {
    for (const problem of error.problems) log.fatal({ code: problem.code }, problemLine(problem));
    process.exit(2);
  }
  log.fatal({ err: error }, "the collector ends");
  process.exit(1);
}

/** Readable by everybody, because another user may wait for the collector. */
const READY_MODE = 0o644;

function writeReady(path: string, { grpcPort, httpPort }: Collector): Promise<void> {
  return writeWholeFile(path, `${JSON.stringify({ pid: process.pid, grpcPort, httpPort })}\n`, READY_MODE);
}

async function main(config: Config): Promise<void> {
  const onStoreCrash = (error: Error) => fail(error);
  const collector = await startCollector(config, { clock: systemClock, log, onStoreCrash, environment: process.env });
  const { grpcPort, httpPort } = collector;
  const stop = (signal: string) => {
    log.info({ signal }, "the collector stops");
    systemClock.after(STOP_WITHIN_MS, () => fail(new Error(`not stopped within ${STOP_WITHIN_MS} ms`)));
    collector.stop().then(() => process.exit(0), fail);
  };
  process.once("SIGTERM", () => stop("SIGTERM"));
  process.once("SIGINT", () => stop("SIGINT"));
  // The process that started this one with a channel has ended.
  process.once("disconnect", () => stop("disconnect"));
  if (config.readyFile !== undefined) await writeReady(config.readyFile, collector);
  log.info({ grpcPort, httpPort, pid: process.pid }, "the collector serves");
}

try {
  const args = process.argv.slice(2);
  const done =
    runBackup(args, systemClock, (text) => process.stderr.write(text)) ??
    (await runCertificate(args, systemClock, {
      out: (text) => process.stdout.write(text),
      err: (text) => process.stderr.write(text),
    }));
  if (done !== undefined) process.exitCode = done;
  else {
    const command = readCollectorCommand(args, process.env, `${BACKUP_USAGE}${CERTIFICATE_USAGE}`);
    if (command.kind === "print") process.stdout.write(command.text);
    else await main(command.config);
  }
} catch (error) {
  fail(error);
}
