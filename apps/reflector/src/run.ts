/**
 * A run of the reflector, from its arguments to its end. Exit codes: 0 stopped by a signal, 1 cannot listen, 2 settings
 * that cannot be used.
 */
import type { Clock } from "@lifeline/measure";
import { type ChannelCredentials, channelCredentials, tlsCredentials } from "@lifeline/rpc";
import { ConfigError, type Environment, readStampKey } from "@lifeline/settings";
import type { Logger } from "pino";
import { type ReflectorConfig, readReflectorCommand, type WitnessConfig } from "./config.ts";
import { readFlagFile } from "./flag-file.ts";
import { nftablesRules } from "./nftables-rules.ts";
import { type Reflector, startReflector } from "./reflector.ts";
import { Witness } from "./witness.ts";

/** Time between two lines of counters in the log: one minute. */
const STATS_PERIOD_MS = 60_000;

const EXIT_CANNOT_LISTEN = 1;
const EXIT_BAD_SETTINGS = 2;

/** What a run takes from outside (M2). */
export interface RunWorld {
  readonly clock: Clock;
  readonly log: Logger;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly environment: Environment;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Resolves when the reflector is to end. */
  readonly ended: Promise<unknown>;
}

/** Runs a reflector until `world.ended`; resolves with the exit code. */
export async function runReflector(args: readonly string[], world: RunWorld): Promise<number> {
  try {
    const command = readReflectorCommand(args, world.environment);
    if (command.kind === "print") world.out(command.text);
    else if (command.config.kind === "reflect") return await reflect(command.config, world);
    else world.out(nftablesRules(command.config.share));
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const { line } of error.problems) world.err(`lifeline-reflector: ${line}\n`);
    return EXIT_BAD_SETTINGS;
  }
}

type Reflection = Extract<ReflectorConfig, { readonly kind: "reflect" }>;

async function reflect(config: Reflection, world: RunWorld): Promise<number> {
  const { listen, keyFile, maxPerSourcePerSecond, witness: watched } = config;
  const { clock, log } = world;
  const key = keyFile === undefined ? {} : { key: keyOf(keyFile) };
  const credentials = watched && credentialsOf(watched);
  let reflector: Reflector;
  try {
    reflector = await startReflector({ ...listen, clock, log, maxPerSourcePerSecond, ...key });
  } catch (error) {
    log.fatal({ err: error, ...listen }, "cannot listen on this address and port");
    return EXIT_CANNOT_LISTEN;
  }
  const witness = watched && credentials && watch(watched, credentials, world);
  const watching = watched === undefined ? {} : { witness: watched.port, collector: watched.collector };
  log.info({ ...reflector.address, authenticated: keyFile !== undefined, ...watching }, "reflecting");
  await runUntilEnded(reflector, witness, world);
  return 0;
}

function watch({ port, collector }: WitnessConfig, credentials: ChannelCredentials, world: RunWorld): Witness {
  const { clock, log, randomBytes } = world;
  return new Witness({ port, collector, credentials, clock, log, id: randomBytes(16) });
}

function keyOf(path: string): Uint8Array {
  const read = readStampKey("--key-file", path);
  if (read.kind === "refused") throw new ConfigError(read.problem);
  return read.value;
}

/** The witness's credentials. Throws a ConfigError for a file that cannot be read. */
function credentialsOf({ tls }: WitnessConfig): ChannelCredentials {
  if (tls === undefined) return channelCredentials.createInsecure();
  const { caFile, pair } = tls;
  const caPem = readFlagFile("tls-ca", caFile);
  if (pair === undefined) return tlsCredentials({ caPem, caMayBeIntermediate: true });
  const pems = { certPem: readFlagFile("tls-cert", pair.certFile), keyPem: readFlagFile("tls-key", pair.keyFile) };
  return tlsCredentials({ caPem, caMayBeIntermediate: true, pair: pems });
}

async function runUntilEnded(reflector: Reflector, witness: Witness | undefined, world: RunWorld): Promise<void> {
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
