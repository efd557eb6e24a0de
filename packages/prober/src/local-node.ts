/**
 * This node as a prober uses it: one attempt at a target, and what the node observes of itself. The agent and `lifeline
 * check` open it alike, so both measure through the same resolvers, hosts file, proxies and roots.
 */
import type { Clock, Sample, Target } from "@lifeline/measure";
import {
  type ClockSample,
  createProbeWorld,
  type ProbeWorld,
  probe,
  type SilenceWatch,
  type StepObserver,
} from "@lifeline/probe";
import { type NodeFacts, type NodePaths, observeNode } from "./node-facts.ts";
import { readProxyEnvironment } from "./proxy-environment.ts";

/** What a {@link LocalNode} is opened with. */
export interface LocalNodeOptions {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Variables of the process: HTTPS_PROXY, HTTP_PROXY and NO_PROXY are read. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `address:port` of each resolver; undefined: those of /etc/resolv.conf. */
  readonly resolvers?: readonly string[] | undefined;
  /** Undefined: /etc/hosts. */
  readonly hostsFile?: string | undefined;
  /** The key of authenticated STAMP as it is now; undefined: none. A secret (S1). */
  readonly stampKey?: (() => Uint8Array) | undefined;
  /** Files that describe the host, where they are not in their usual places. */
  readonly paths?: Partial<NodePaths> | undefined;
}

/** This node. */
export interface LocalNode {
  /** Makes one attempt (M1). `onStep` takes its steps as they happen. Rejects only on a defect of a probe. */
  readonly probe: (target: Target, watch?: SilenceWatch, onStep?: StepObserver) => Promise<Sample>;
  /** Reads the facts of the node as they are now. Never throws. */
  readonly facts: () => NodeFacts;
  /**
   * How far this host's clock is behind its time server's, ms; negative: ahead. Undefined: no time server has answered
   * yet.
   */
  readonly clockOffsetMs: () => number | undefined;
  /** What of the proxy variables could not be used. Each names the variable, and never its value (S1). */
  readonly warnings: readonly string[];
  /** Closes the sockets that outlive an attempt. */
  close(): void;
}

/** Opens the running host. Throws when `resolvers` holds an entry that is not an address. */
export function openLocalNode(options: LocalNodeOptions): LocalNode {
  const { clock, random, environment, resolvers, hostsFile, stampKey, paths } = options;
  const { proxy, credentials, warnings } = readProxyEnvironment(environment);
  let bestSample: ClockSample | undefined;
  const world = createProbeWorld({
    clock,
    random,
    // The shortest round trip errs least (RFC 5905 §10).
    onClockSample(sample) {
      if (bestSample === undefined || sample.rttMs < bestSample.rttMs) bestSample = sample;
    },
    proxyCredentials: credentials,
    ...(resolvers === undefined ? {} : { resolvers }),
    ...(hostsFile === undefined ? {} : { hostsFile }),
    ...(paths?.resolvConf === undefined ? {} : { resolvConf: paths.resolvConf }),
  });
  const keyedWorld = stampKey === undefined ? world : withKey(world, stampKey);
  return {
    probe: (target, watch, onStep) => probe(target, keyedWorld, watch, onStep),
    facts: () => observeNode({ resolvers, proxy }, paths),
    clockOffsetMs: () => bestSample?.offsetMs,
    warnings,
    close: () => world.sessions.close(),
  };
}

/** The world with the key read at each use: its file may be replaced while the process runs. */
function withKey(world: ProbeWorld, stampKey: () => Uint8Array): ProbeWorld {
  return {
    ...world,
    get stampKey() {
      return stampKey();
    },
  };
}
