/**
 * Reported round trips against a packet capture, on a path of a known delay.
 *
 * 1. Every method is compared with its own capture on the same path. The methods take turns in rounds, so other load on
 *    the machine affects all of them.
 * 2. The reference is the capture at the client's interface, not the path's nominal delay: SYN to SYN-ACK, or echo or
 *    STAMP request to reply.
 * 3. The first probes of each round warm the program up and are not counted.
 */
import { createDelayedPath, type DelayedPath, type PathStats } from "@lifeline/lab";
import { NS_PER_US } from "@lifeline/measure";
import pino from "pino";
import { BenchError } from "../bench-error.ts";
import { startListener } from "../counting-listener.ts";
import { BLACKBOX_EXPORTER, ensurePrograms, FPING, TCPDUMP } from "../debian-packages.ts";
import { type Distribution, distributionOf, ratioTo } from "../distribution.ts";
import type { Workshop } from "../workshop.ts";
import { startCapture } from "./capture.ts";
import { METHODS, type Method, type MethodInput } from "./method.ts";
import type { Pair } from "./pairing.ts";

/** Turns that each method takes. */
const ROUNDS = 4;
/** Probes at the start of each round that are not counted. */
const WARMUP_PROBES = 5;

/** Target accuracy of Lifeline's kernel figure, idle and blocked. */
const GOAL = { medianBiasMaxMs: 0.03, p99BiasMaxMs: 0.1 } as const;
/** The methods that the goal is for. */
const GOAL_METHODS = ["lifeline-kernel-idle", "lifeline-kernel-blocked"];
/** The methods that ratios are given to. */
const PEERS = ["fping", "blackbox_exporter"] as const;
type Peer = (typeof PEERS)[number];

/** Error relative to a peer's error; below 1 is more accurate. Absent where the peer's error is 0. */
export interface BiasRatio {
  readonly p50?: number;
  readonly p99?: number;
}

/** One method's result. */
export interface MethodResult {
  readonly id: string;
  readonly title: string;
  /** Reported less captured, ms. */
  readonly biasMs: Distribution;
  /** As captured, ms. */
  readonly truthMs: Distribution;
  /** Reports left out because a packet was sent again. */
  readonly excluded: number;
  readonly cpuUsPerProbe?: number;
  readonly ratios: Readonly<Partial<Record<Peer, BiasRatio>>>;
}

/** The whole result. */
export interface AccuracyResult {
  readonly bench: "accuracy";
  readonly delayEachWayMs: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly methods: readonly MethodResult[];
  readonly goal: {
    readonly medianBiasMaxMs: number;
    readonly p99BiasMaxMs: number;
    readonly reached: Readonly<Record<string, boolean>>;
  };
  /** Packets the delayed path carried, and how late they were; absent if the path's process exited early. */
  readonly path?: PathStats;
  readonly notes: readonly string[];
}

/** What a reader of the figures must know. */
const NOTES = [
  "bias = reported round trip less the captured one; quantiles are nearest-rank and signed",
  "blackbox_exporter reports probe_duration_seconds, all that it does for the probe; nothing is taken off it",
  "fping measures ICMP echoes, its figures read to the nanosecond (netdata output; the usual one has 0.1 ms here)",
  "loop blocked: the probing process computes 20 of each 40 ms",
  "the kernel's figure begins and ends in TCP, the capture at the device: this host's own path between the two is in the bias",
  "CPU is of programs that have just started; settled figures are the footprint bench's",
];

interface Measured {
  readonly pairs: Pair[];
  readonly cpuNsPerProbe: number[];
  excluded: number;
}

/**
 * Measures at least `samples` probes of each method on a path that takes `rttMs` there and back. Throws `cannot-run`,
 * `child-failed`, `mispaired` or `malformed-capture`.
 */
export async function measureAccuracy(workshop: Workshop, samples: number, rttMs: number): Promise<AccuracyResult> {
  const path = await layPath(workshop, rttMs / 2);
  const versions = await ensurePrograms([TCPDUMP, FPING, BLACKBOX_EXPORTER], workshop.say);
  const { serverNamespace, serverAddress } = path;
  const listener = await startListener(workshop, { address: serverAddress, ports: 1, namespace: serverNamespace });
  const port = listener.ports[0] ?? 0;
  const { reflectorPort } = listener;

  const measured = new Map(
    METHODS.map((method) => [method, { pairs: [], cpuNsPerProbe: [], excluded: 0 } as Measured]),
  );
  const probes = Math.ceil(samples / ROUNDS) + WARMUP_PROBES;
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const [method, ofMethod] of measured) {
      workshop.say(`accuracy: round ${round} of ${ROUNDS}, ${method.title}`);
      const taken = await takeTurn(method, { workshop, path, port, reflectorPort, probes });
      if (taken === undefined) continue;
      const { pairs, excluded, cpuNsPerProbe } = taken;
      ofMethod.pairs.push(...pairs.slice(WARMUP_PROBES));
      ofMethod.excluded += excluded;
      if (cpuNsPerProbe !== undefined) ofMethod.cpuNsPerProbe.push(cpuNsPerProbe);
    }
  }
  const stats = await path.close();
  const methods = withRatios(
    [...measured].filter(([, { pairs }]) => pairs.length > 0).map(([method, ofMethod]) => resultOf(method, ofMethod)),
  );
  return {
    bench: "accuracy",
    delayEachWayMs: rttMs / 2,
    versions,
    methods,
    goal: { ...GOAL, reached: goalReached(methods) },
    ...(stats === undefined ? {} : { path: stats }),
    notes: NOTES,
  };
}

/**
 * Turns of one method in one round: fping's second and its report's drift apart on a busy host, and then its figures
 * have no owner.
 */
const TURNS_MAX = 4;

/**
 * One method's probes with a capture of them. The turn is repeated when the report does not show which probe is which.
 * After the last repeat the turn is left out, with a message.
 */
async function takeTurn(method: Method, input: MethodInput) {
  const { workshop, path } = input;
  for (let turn = 1; ; turn += 1) {
    const capture = await startCapture(workshop, { namespace: path.clientNamespace, device: path.clientInterface });
    try {
      const { pair, cpuNsPerProbe } = await method.report(input);
      return { ...pair(await capture.stop()), cpuNsPerProbe };
    } catch (error) {
      if (!(error instanceof BenchError) || error.code !== "ambiguous-report") throw error;
      await capture.stop();
      if (turn === TURNS_MAX) {
        workshop.say(`accuracy: ${error.message}; the round is left out`);
        return undefined;
      }
      workshop.say(`accuracy: ${error.message}; the turn is taken again`);
    }
  }
}

async function layPath(workshop: Workshop, delayMs: number): Promise<DelayedPath> {
  const log = pino({ name: "bench", level: "warn" }, pino.destination({ fd: 2, sync: true }));
  const path = await createDelayedPath({ delayMs, log });
  if (path.kind === "cannot-run")
    throw new BenchError("cannot-run", `no delayed path here (${path.reason}): ${path.detail}`);
  workshop.onClose(() => path.close());
  return path;
}

function resultOf({ id, title }: Method, { pairs, cpuNsPerProbe, excluded }: Measured): MethodResult {
  const meanCpuNs = cpuNsPerProbe.reduce((sumNs, ns) => sumNs + ns, 0) / cpuNsPerProbe.length;
  return {
    id,
    title,
    biasMs: distributionOf(pairs.map(({ biasMs }) => biasMs)),
    truthMs: distributionOf(pairs.map(({ truthMs }) => truthMs)),
    excluded,
    ...(cpuNsPerProbe.length === 0 ? {} : { cpuUsPerProbe: meanCpuNs / NS_PER_US }),
    ratios: {},
  };
}

/** Each method's error relative to each peer's. */
export function withRatios(methods: readonly MethodResult[]): MethodResult[] {
  return methods.map((method) => {
    const ratios: Partial<Record<Peer, BiasRatio>> = {};
    for (const id of PEERS) {
      const peer = methods.find((other) => other.id === id);
      if (peer === undefined || peer.id === method.id) continue;
      const p50 = ratioTo(method.biasMs.p50, peer.biasMs.p50);
      const p99 = ratioTo(method.biasMs.p99, peer.biasMs.p99);
      ratios[id] = { ...(p50 === undefined ? {} : { p50 }), ...(p99 === undefined ? {} : { p99 }) };
    }
    return { ...method, ratios };
  });
}

/** Whether each method that the goal is for has reached it, by id. */
export function goalReached(methods: readonly MethodResult[]): Record<string, boolean> {
  const judged = methods.filter(({ id }) => GOAL_METHODS.includes(id));
  return Object.fromEntries(
    judged.map(({ id, biasMs }) => [
      id,
      Math.abs(biasMs.p50) <= GOAL.medianBiasMaxMs && Math.abs(biasMs.p99) <= GOAL.p99BiasMaxMs,
    ]),
  );
}
