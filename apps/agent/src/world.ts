/** Everything the agent takes from outside: time, chance, probes, the node's facts and a log. */
import { randomBytes } from "node:crypto";
import { type Clock, type Sample, systemClock, type Target } from "@lifeline/measure";
import { createProbeWorld, probe } from "@lifeline/probe";
import type { Logger } from "pino";
import type { AgentConfig } from "./config.ts";
import { type NodeFacts, observeNode } from "./uplink/hello.ts";

/** The world an agent lives in. */
export interface AgentWorld {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly randomBytes: (size: number) => Uint8Array;
  /** One attempt (M1). */
  readonly probe: (target: Target) => Promise<Sample>;
  /** What the node observes of itself; asked at each dial. */
  readonly observe: () => NodeFacts;
  readonly log: Logger;
  /** Where the firmware's UUID is read; default PRODUCT_UUID_PATH. */
  readonly productUuidPath?: string;
}

/** Bytes of a random number: 48 bits, what a double holds exactly. */
const RANDOM_BYTES = 6;

/** The world of the running host. Throws when the configured resolvers are no addresses, which the configuration rules out. */
export function createAgentWorld(config: Pick<AgentConfig, "resolvers" | "hostsFile">, log: Logger): AgentWorld {
  const random = () => randomBytes(RANDOM_BYTES).readUIntBE(0, RANDOM_BYTES) / 2 ** (8 * RANDOM_BYTES);
  const probeWorld = createProbeWorld({
    clock: systemClock,
    random,
    ...(config.resolvers === undefined ? {} : { resolvers: config.resolvers }),
    ...(config.hostsFile === undefined ? {} : { hostsFile: config.hostsFile }),
  });
  return {
    clock: systemClock,
    random,
    randomBytes: (size) => randomBytes(size),
    probe: (target) => probe(target, probeWorld),
    // Resolvers that were configured are the ones in use.
    observe: () => ({ ...observeNode(), ...(config.resolvers === undefined ? {} : { resolvers: config.resolvers }) }),
    log,
  };
}
