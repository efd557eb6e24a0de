/**
 * The thread in which decoders run, so that one that hangs, or takes all memory, can be ended and named.
 *
 * Progress is written to shared memory before each input is touched: whatever happens to this thread, its starter knows which
 * decoder and which input it was.
 */
import { strict as assert } from "node:assert";
import { runInNewContext } from "node:vm";
import { parentPort, workerData } from "node:worker_threads";
import { NS_PER_MS, systemClock } from "@lifeline/measure";
import { type Decoder, inputOf, type Verdict } from "./decoder.ts";
import { minimise } from "./minimise.ts";

/** What this thread is given. */
export interface WorkerOrder {
  /** Module that exports DECODERS. */
  readonly module: string;
  readonly names: readonly string[];
  readonly inputs: number;
  readonly seed: number;
  /** Two 32-bit integers: the decoder's place among `names`, and the input's index. */
  readonly progress: SharedArrayBuffer;
}

/** What was seen of one decoder; `failure` is absent where nothing was found. */
export interface DecoderResult {
  readonly decoder: string;
  readonly inputs: number;
  readonly decoded: number;
  readonly refused: number;
  /** Since the decoder's first input, s; and how much of it this thread was on a processor, drawing and checking included. */
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** The longest that one input took, ms, whatever else the machine did meanwhile; and which. */
  readonly slowestMs: number;
  readonly slowestIndex: number;
  /** How much more the heap holds at the end than after the first tenth, both after a collection. */
  readonly heapGrowthBytes: number;
  readonly rssBytes: number;
  readonly failure?: Failure;
}

/** What was found. */
export interface Failure {
  readonly decoder: string;
  readonly index: number;
  readonly kind: "threw" | "hung" | "memory" | "heap-grew";
  readonly detail: string;
  /** The input, smaller where that could be had, in hexadecimal. */
  readonly inputHex: string;
}

/** How much the heap may grow over a decoder's run: what the engine keeps of compiled code and caches of its own, and no input. */
const HEAP_SLACK_BYTES = 8 * 1024 * 1024;

/** Most text of an error that is told. */
const DETAIL_MAX_CHARS = 2_000;

const { module, names, inputs, seed, progress } = workerData as WorkerOrder;
const { DECODERS } = (await import(module)) as { DECODERS: readonly Decoder[] };
const place = new Int32Array(progress);
// Its starter has set --expose-gc for contexts made from now on.
const collectGarbage = runInNewContext("gc") as () => void;

function heapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** Frames of a stack that is told. While nothing is wrong none are taken: refusals are errors too, and stacks cost more than decoding. */
const STACK_FRAMES = 12;
Error.stackTraceLimit = 0;

async function outcomeOf(decoder: Decoder, input: Uint8Array): Promise<Verdict | Error> {
  try {
    return await decoder.check(input);
  } catch (error) {
    return error instanceof Error ? error : new Error(`threw ${String(error)}`);
  }
}

/** A failure, with the smallest input that fails by the same kind of error. */
async function failureOf(decoder: Decoder, index: number, error: Error): Promise<Failure> {
  const input = inputOf(decoder, seed, index);
  const least = await minimise(input, async (candidate) => {
    const outcome = await outcomeOf(decoder, candidate);
    return outcome instanceof Error && outcome.name === error.name && firstLine(outcome) === firstLine(error);
  });
  Error.stackTraceLimit = STACK_FRAMES;
  const told = await outcomeOf(decoder, input);
  Error.stackTraceLimit = 0;
  const detail = (told instanceof Error ? (told.stack ?? told.message) : error.message).slice(0, DETAIL_MAX_CHARS);
  return { decoder: decoder.name, index, kind: "threw", detail, inputHex: Buffer.from(least).toString("hex") };
}

function cpuSecondsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1e6;
}

const firstLine = ({ message }: Error) => message.split("\n", 1)[0];

async function run(decoder: Decoder, at: number): Promise<DecoderResult> {
  const startedNs = systemClock.monotonicNs();
  const cpu = process.threadCpuUsage();
  const counts = { decoded: 0, refused: 0 };
  let slowest = { ns: 0, index: 0 };
  let heapBefore = 0;
  let lastNs = startedNs;
  let failure: Failure | undefined;
  const warmInputs = Math.ceil(inputs / 10);
  let index = 0;
  Atomics.store(place, 0, at);
  for (; index < inputs && failure === undefined; index += 1) {
    Atomics.store(place, 1, index);
    if (index === warmInputs) {
      heapBefore = heapBytes();
      lastNs = systemClock.monotonicNs();
    }
    try {
      const verdict = decoder.check(inputOf(decoder, seed, index));
      // Most answer at once, and a million turns of the event loop are not free.
      counts[typeof verdict === "string" ? verdict : await verdict] += 1;
    } catch (error) {
      failure = await failureOf(decoder, index, error instanceof Error ? error : new Error(`threw ${String(error)}`));
    }
    const nowNs = systemClock.monotonicNs();
    if (nowNs - lastNs > slowest.ns) slowest = { ns: nowNs - lastNs, index };
    lastNs = nowNs;
  }
  const heapGrowthBytes = inputs > warmInputs && failure === undefined ? heapBytes() - heapBefore : 0;
  if (heapGrowthBytes > HEAP_SLACK_BYTES) {
    const detail = `the heap holds ${heapGrowthBytes} bytes more than after the first tenth, want at most ${HEAP_SLACK_BYTES}`;
    failure = { decoder: decoder.name, index: inputs - 1, kind: "heap-grew", detail, inputHex: "" };
  }
  return {
    decoder: decoder.name,
    inputs: index,
    ...counts,
    cpuSeconds: cpuSecondsSince(cpu),
    seconds: (systemClock.monotonicNs() - startedNs) / NS_PER_MS / 1_000,
    slowestMs: slowest.ns / NS_PER_MS,
    slowestIndex: slowest.index,
    heapGrowthBytes,
    rssBytes: process.memoryUsage.rss(),
    ...(failure === undefined ? {} : { failure }),
  };
}

for (const [at, name] of names.entries()) {
  const decoder = DECODERS.find((candidate) => candidate.name === name);
  assert(decoder !== undefined, `no decoder ${name}`);
  parentPort?.postMessage(await run(decoder, at));
}
