/** A run of the reflector, from its arguments to its end. Exit codes: 0 asked to stop, 1 cannot listen, 2 bad flags or files. */
import { readFileSync } from "node:fs";
import type { Clock } from "@lifeline/measure";
import { type ChannelCredentials, channelCredentials, tlsCredentials } from "@lifeline/rpc";
import type { Logger } from "pino";
import { type Flags, parseFlags, USAGE, type WitnessFlags } from "./flags.ts";
import { readKeyFile } from "./key-file.ts";
import { type Reflector, startReflector } from "./reflector.ts";
import { shareRules } from "./share-rules.ts";
import { startWitness, type Witness } from "./witness.ts";

/** Time between two lines of counters in the log: one minute. */
const STATS_PERIOD_MS = 60_000;

const EXIT_CANNOT_LISTEN = 1;
const EXIT_BAD_FLAGS = 2;

/** What a run takes from outside. */
export interface RunWorld {
  readonly clock: Clock;
  readonly log: Logger;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Resolves when the reflector is to end. */
  readonly ended: Promise<unknown>;
}

/** Runs a reflector until it is asked to end; resolves with the exit code. */
export async function runReflector(args: readonly string[], world: RunWorld): Promise<number> {
  const parsed = parseFlags(args);
  switch (parsed.kind) {
    case "help":
      world.out(USAGE);
      return 0;
    case "rules":
      world.out(shareRules(parsed.share));
      return 0;
    case "bad":
      return refuse(world, parsed.message);
    case "run":
      return reflect(parsed.flags, world);
  }
}

function refuse({ err }: RunWorld, message: string): number {
  err(`lifeline-reflector: ${message}\n`);
  return EXIT_BAD_FLAGS;
}

async function reflect(flags: Flags, world: RunWorld): Promise<number> {
  const { host, port, keyFile, maxPerSourcePerSecond, witness: watched } = flags;
  const { clock, log } = world;
  const read = keyFile === undefined ? undefined : readKeyFile(keyFile);
  if (read?.kind === "bad") return refuse(world, read.message);
  const credentials = watched === undefined ? undefined : credentialsOf(watched);
  if (typeof credentials === "string") return refuse(world, credentials);
  const key = read === undefined ? {} : { key: read.key };
  let reflector: Reflector;
  try {
    reflector = await startReflector({ host, port, clock, log, maxPerSourcePerSecond, ...key });
  } catch (error) {
    log.fatal({ err: error, host, port }, "cannot listen");
    return EXIT_CANNOT_LISTEN;
  }
  const witness = watched && credentials && watch(watched, credentials, world);
  const watching = watched === undefined ? {} : { witness: watched.port, collector: watched.collector };
  log.info({ ...reflector.address, authenticated: read !== undefined, ...watching }, "reflecting");
  await untilAsked(reflector, witness, world);
  return 0;
}

function watch({ port, collector }: WitnessFlags, credentials: ChannelCredentials, world: RunWorld): Witness {
  const { clock, log, randomBytes } = world;
  return startWitness({ port, collector, credentials, clock, log, id: randomBytes(16) });
}

/** The witness's credentials, or what is wrong with a file. */
function credentialsOf({ tls }: WitnessFlags): ChannelCredentials | string {
  if (tls === undefined) return channelCredentials.createInsecure();
  const bytes = (flag: string, path: string): Buffer | string => {
    try {
      return readFileSync(path);
    } catch (error) {
      return `--${flag}: ${path} cannot be read: ${error instanceof Error && "code" in error ? String(error.code) : String(error)}`;
    }
  };
  const ca = bytes("tls-ca", tls.caFile);
  const cert = tls.certFile === undefined ? null : bytes("tls-cert", tls.certFile);
  const key = tls.keyFile === undefined ? null : bytes("tls-key", tls.keyFile);
  const wrong = [ca, cert, key].find((file) => typeof file === "string");
  if (wrong !== undefined) return wrong;
  const pair = cert === null || key === null ? {} : { pair: { certPem: cert as Buffer, keyPem: key as Buffer } };
  return tlsCredentials({ caPem: ca as Buffer, caMayBeIntermediate: true, ...pair });
}

async function untilAsked(reflector: Reflector, witness: Witness | undefined, world: RunWorld): Promise<void> {
  const { clock, log, ended } = world;
  const counters = () => ({ ...reflector.stats(), ...(witness === undefined ? {} : { witness: witness.stats() }) });
  let timer = clock.after(STATS_PERIOD_MS, report);
  function report(): void {
    log.info(counters(), "counters");
    timer = clock.after(STATS_PERIOD_MS, report);
  }
  await ended;
  timer.cancel();
  await witness?.stop();
  await reflector.close();
  log.info(counters(), "stopped");
}
