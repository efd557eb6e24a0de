/** Everything the agent takes from outside: time, randomness, probes, the node's facts and a log. */
import { randomBytes } from "node:crypto";
import { type Clock, type Sample, systemClock, type Target } from "@lifeline/measure";
import { type NodeFacts, openLocalNode, type SilenceWatch } from "@lifeline/prober";
import type { Logger } from "pino";
import type { AgentConfig } from "./config.ts";
import { openStampKey } from "./probing/stamp-key.ts";
import { openNativeCalls } from "./process/native-calls.ts";
import { runAs } from "./process/run-as.ts";
import { boundedEvidence } from "./report/bounded-evidence.ts";

/** What an agent takes from outside. */
export interface AgentWorld {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly randomBytes: (size: number) => Uint8Array;
  /** One attempt (M1). */
  readonly probe: (target: Target, watch: SilenceWatch) => Promise<Sample>;
  /** Reads what the node observes of itself, at each dial and re-hello. */
  readonly observe: () => NodeFacts;
  readonly log: Logger;
  /** The variables of the process, which may hold a join token. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /**
   * Gives up root's rights. Takes the directories above the state directory that were made. Undefined: the user does
   * not change.
   */
  readonly becomeUser?: (madeParents: readonly string[]) => void;
  /** Timeout of a call to enrol or renew, ms; default ENROL_TIMEOUT_MS. */
  readonly enrolTimeoutMs?: number;
  /** Where the firmware's UUID is read; default PRODUCT_UUID_PATH. */
  readonly productUuidPath?: string;
}

/** Bytes of a random number: 48 bits, which a double holds exactly. */
const RANDOM_BYTES = 6;

/**
 * The world of the running host. The proxies are read from `environment`; a warning names a variable that cannot be
 * used, and never its value. Throws a ConfigError when the STAMP key cannot be read.
 */
export function createAgentWorld(
  config: Pick<AgentConfig, "resolvers" | "hostsFile" | "stampKeyFile" | "runAsUid" | "stateDir" | "talos">,
  log: Logger,
  environment: Readonly<Record<string, string | undefined>> = {},
): AgentWorld {
  const random = () => randomBytes(RANDOM_BYTES).readUIntBE(0, RANDOM_BYTES) / 2 ** (8 * RANDOM_BYTES);
  const { resolvers, hostsFile, stampKeyFile } = config;
  const key = stampKeyFile === undefined ? undefined : openStampKey(stampKeyFile, systemClock, log);
  const stampKey = key === undefined ? undefined : () => key.current();
  const node = openLocalNode({ clock: systemClock, random, environment, resolvers, hostsFile, stampKey });
  for (const warning of node.warnings) log.warn(warning);
  return {
    clock: systemClock,
    random,
    randomBytes: (size) => randomBytes(size),
    probe: (target, watch) => node.probe(target, watch).then(withBoundedEvidence),
    observe: node.facts,
    log,
    environment,
    becomeUser: (madeParents) => becomeUser(config, log, madeParents),
  };
}

/** Becomes the configured user, and logs the result. The agent runs on whatever the result. */
function becomeUser(
  { runAsUid: uid, stateDir, talos }: Pick<AgentConfig, "runAsUid" | "stateDir" | "talos">,
  log: Logger,
  madeParents: readonly string[],
): void {
  const own = process.getuid?.();
  if (uid === undefined || uid === own) return;
  if (own !== 0) {
    log.warn({ runAsUid: uid, uid: own }, "runAsUid ignored: only root can become another user");
    return;
  }
  try {
    const options = { uid, stateDir, madeParents, opensTalos: talos !== undefined };
    const { rights, diskCode } = runAs(options, openNativeCalls());
    if (diskCode !== undefined)
      log.warn(
        { code: diskCode, uid },
        "not every file in stateDir could be given to the user of runAsUid; the spool may stay in memory",
      );
    if (rights === "kept") log.info({ uid }, "runs as runAsUid, with root's right to read files");
    else
      log.warn(
        { uid, rights },
        "runs as runAsUid, without root's right to read files: files that only root can read are not read again",
      );
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    log.warn({ runAsUid: uid, code: error.code }, "runAsUid not applied: the system refused; the agent stays root");
  }
}

/** The sample as the wire admits it. */
function withBoundedEvidence(sample: Sample): Sample {
  return { ...sample, evidence: boundedEvidence(sample.evidence) };
}
