/** Runs the decoders in a thread, watches it, and names the input where it hangs or runs out of memory. */
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { type Decoder, inputOf } from "./decoder.ts";
import { FuzzError } from "./fuzz-error.ts";
import { NO_COSTS } from "./growth.ts";
import { shownHex } from "./shown-input.ts";
import type { DecoderResult, Failure, WorkerOrder } from "./worker.ts";

/** What to run. */
export interface Campaign {
  /** Module that exports DECODERS, as `decoders`. */
  readonly module: string;
  readonly decoders: readonly Decoder[];
  /** For each decoder. */
  readonly inputs: number;
  readonly seed: number;
  /** By default {@link LIMITS}. */
  readonly limits?: Limits;
  readonly clock: Clock;
  /** Receives a line when a decoder is done, and a progress line every ten seconds. */
  readonly say: (line: string) => void;
}

/** Limits for one input. An input beyond them reveals a defect. */
export interface Limits {
  /** An input that computes for longer hangs, ms of processor time. */
  readonly hangCpuMs: number;
  /** Largest heap of the thread, MB. An input that needs more counts as unbounded. */
  readonly heapMaxMb: number;
}

/** Some hundred times the time that the slowest input takes, and some ten times the memory. */
export const LIMITS: Limits = { hangCpuMs: 5_000, heapMaxMb: 512 };

/**
 * An input that waits for longer hangs, ms: nothing that is decoded waits for anything, but the machine may be busy.
 */
const HANG_WAIT_MS = 120_000;

/**
 * The thread's young generation, MB. Decoding makes mostly short-lived objects, so a small one is collected every few
 * inputs.
 */
const YOUNG_MAX_MB = 64;

/** How often the watch looks, and how often it tells, ms. */
const LOOK_EVERY_MS = 100;
const TELL_EVERY_MS = 10_000;

/**
 * Results of all decoders, in their order. Rejects with a FuzzError when the thread ends for another reason than an
 * input.
 */
export async function runCampaign(campaign: Campaign): Promise<readonly DecoderResult[]> {
  // Contexts made from now on may collect garbage: what a decoder keeps is what a collection leaves.
  setFlagsFromString("--expose-gc");
  const results: DecoderResult[] = [];
  // A thread that had to be ended leaves the decoders after the one it was ended for.
  while (results.length < campaign.decoders.length) {
    results.push(...(await runThread(campaign, campaign.decoders.slice(results.length))));
  }
  return results;
}

type Ended = { readonly kind: "done" } | { readonly kind: "hung" | "memory"; readonly detail: string };

async function runThread(campaign: Campaign, decoders: readonly Decoder[]): Promise<readonly DecoderResult[]> {
  const { inputs, seed, say, limits = LIMITS } = campaign;
  const { heapMaxMb } = limits;
  const progress = new SharedArrayBuffer(8);
  const names = decoders.map(({ name }) => name);
  const order: WorkerOrder = { module: campaign.module, names, inputs, seed, progress };
  const worker = new Worker(new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url), {
    workerData: order,
    resourceLimits: { maxOldGenerationSizeMb: heapMaxMb, maxYoungGenerationSizeMb: YOUNG_MAX_MB },
  });
  const results: DecoderResult[] = [];
  worker.on("message", (result: DecoderResult) => {
    results.push(result);
    say(`${result.decoder}: ${result.failure === undefined ? "nothing found" : result.failure.kind}`);
  });
  const ended = await endOf(worker, progress, names, campaign);
  const [at = 0, index = 0] = new Int32Array(progress);
  const decoder = decoders[at];
  if (ended.kind !== "done" && decoder !== undefined) {
    const inputHex = shownHex(inputOf(decoder, seed, index));
    const failure: Failure = { decoder: decoder.name, index, kind: ended.kind, detail: ended.detail, inputHex };
    results.push(unfinished(failure));
    say(`${decoder.name}: ${ended.kind}`);
  }
  return results;
}

/** A decoder's counts are lost when its thread is ended. */
function unfinished(failure: Failure): DecoderResult {
  const { decoder, index } = failure;
  const nothing = {
    decoded: 0,
    refused: 0,
    seconds: 0,
    cpuSeconds: 0,
    slowestMs: 0,
    slowestIndex: index,
    heapGrowthBytes: 0,
    growth: NO_COSTS,
  };
  return { decoder, inputs: index, ...nothing, rssBytes: process.memoryUsage.rss(), failure };
}

/** Waits until the thread has ended, or ends it. */
async function endOf(
  worker: Worker,
  progress: SharedArrayBuffer,
  names: readonly string[],
  { inputs, clock, say, limits = LIMITS }: Campaign,
): Promise<Ended> {
  const stopped = new AbortController();
  const exit = new Promise<Ended>((resolve, reject) => {
    worker.once("exit", () => resolve({ kind: "done" }));
    worker.once("error", (error: Error & { code?: string }) => {
      if (error.code === "ERR_WORKER_OUT_OF_MEMORY") resolve({ kind: "memory", detail: error.message });
      else reject(new FuzzError(error.stack ?? error.message));
    });
  });
  const watch = watched(progress, limits.hangCpuMs, clock, stopped.signal, (at, index) =>
    say(`${names[at] ?? "the first"}: ${index} of ${inputs}`),
  );
  try {
    return await Promise.race([exit, watch]);
  } finally {
    stopped.abort();
    await worker.terminate();
  }
}

/** Resolves when an input has not ended within `hangCpuMs` of work or {@link HANG_WAIT_MS}. */
async function watched(
  progress: SharedArrayBuffer,
  hangCpuMs: number,
  clock: Clock,
  signal: AbortSignal,
  tell: (at: number, index: number) => void,
): Promise<Ended> {
  const place = new Int32Array(progress);
  const last = { at: -1, index: -1, sinceNs: clock.monotonicNs(), cpu: process.cpuUsage() };
  let toldNs = last.sinceNs;
  while (!signal.aborted) {
    await pause(clock, LOOK_EVERY_MS, signal);
    const nowNs = clock.monotonicNs();
    const [at = 0, index = 0] = place;
    if (at !== last.at || index !== last.index) {
      Object.assign(last, { at, index, sinceNs: nowNs, cpu: process.cpuUsage() });
    }
    // All that this process computes is the thread's: the watch itself does next to nothing.
    const { user, system } = process.cpuUsage(last.cpu);
    if ((user + system) / 1_000 > hangCpuMs)
      return { kind: "hung", detail: `no answer within ${hangCpuMs} ms of work` };
    if ((nowNs - last.sinceNs) / NS_PER_MS > HANG_WAIT_MS) {
      return { kind: "hung", detail: `no answer within ${HANG_WAIT_MS} ms` };
    }
    if ((nowNs - toldNs) / NS_PER_MS < TELL_EVERY_MS) continue;
    toldNs = nowNs;
    tell(at, index);
  }
  return { kind: "done" };
}
