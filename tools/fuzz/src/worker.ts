/**
 * The thread in which decoders run, so that one that hangs, or takes all memory, can be ended and named.
 *
 * Progress is written to shared memory before each input is touched: whatever happens to this thread, its starter knows
 * which decoder and which input it was.
 */
import { strict as assert } from "node:assert";
import { setImmediate as nextTurn } from "node:timers/promises";
import { runInNewContext } from "node:vm";
import { parentPort, workerData } from "node:worker_threads";
import { NS_PER_MS, systemClock } from "@lifeline/measure";
import { type Decoder, inputOf, type Verdict } from "./decoder.ts";
import { type Cost, excessOf, type Growth, type GrowthCosts, grownAt, NO_COSTS, withCost } from "./growth.ts";
import { minimise } from "./minimise.ts";
import { INPUT_SHOWN_BYTES, shownHex } from "./shown-input.ts";

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

/** Results of one decoder; `failure` is absent where nothing was found. */
export interface DecoderResult {
  readonly decoder: string;
  readonly inputs: number;
  readonly decoded: number;
  readonly refused: number;
  /**
   * Since the decoder's first input, s; and how much of it this thread was on a processor, drawing and checking
   * included.
   */
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** The longest time for one input, ms, including other load on the machine; and that input's index. */
  readonly slowestMs: number;
  readonly slowestIndex: number;
  /** How much more the heap holds at the end than after the first tenth, both after a collection. */
  readonly heapGrowthBytes: number;
  readonly rssBytes: number;
  /** What inputs out of proportion have cost; none where the decoder is not given any. */
  readonly growth: GrowthCosts;
  readonly failure?: Failure;
}

/** The failure that was found. */
export interface Failure {
  readonly decoder: string;
  readonly index: number;
  readonly kind: "threw" | "hung" | "memory" | "heap-grew" | "costly-heap" | "costly-time";
  readonly detail: string;
  /**
   * The input, smaller where that could be had, in hexadecimal; of one over 4 KiB the beginning, and how many bytes it
   * has.
   */
  readonly inputHex: string;
}

const NS_PER_S = 1e9;

/**
 * How much the heap may grow over a decoder's run: what the engine keeps of compiled code and caches of its own, and no
 * input.
 */
const HEAP_SLACK_BYTES = 8 * 1024 * 1024;

/** Longest reported error text, characters. */
const DETAIL_MAX_CHARS = 2_000;

const { module, names, inputs, seed, progress } = workerData as WorkerOrder;
const { DECODERS } = (await import(module)) as { DECODERS: readonly Decoder[] };
const place = new Int32Array(progress);
// Its starter has set --expose-gc for contexts made from now on.
const collectGarbage = runInNewContext("gc") as () => void;

function heldBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/**
 * Frames of a reported stack. None are taken until a decoder fails: refusals are errors too, and a stack costs more
 * than decoding.
 */
const STACK_FRAMES = 12;
Error.stackTraceLimit = 0;

/**
 * Garbage that may exist while a cost is measured, bytes. A collection during the measurement lowers the figure by as
 * much.
 */
const GARBAGE_SLACK_BYTES = 16 * 1024 * 1024;

/** What the heap held after the latest collection. */
let liveBytes = 0;

/** What decoding an input takes. */
async function costOf(growth: Growth, input: Uint8Array): Promise<Cost> {
  if (process.memoryUsage().heapUsed > liveBytes + GARBAGE_SLACK_BYTES) liveBytes = heldBytes();
  const before = process.memoryUsage();
  const cpu = process.threadCpuUsage();
  await growth.decode(input);
  const cpuNs = cpuSecondsSince(cpu) * NS_PER_S;
  const after = process.memoryUsage();
  const heapBytes = after.heapUsed + after.external - before.heapUsed - before.external;
  return { inputBytes: input.length, heapBytes: Math.max(0, heapBytes), cpuNs };
}

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
  const isSmall = input.length <= INPUT_SHOWN_BYTES;
  const least = await minimise(isSmall ? input : new Uint8Array(), async (candidate) => {
    const outcome = await outcomeOf(decoder, candidate);
    return outcome instanceof Error && outcome.name === error.name && firstLine(outcome) === firstLine(error);
  });
  Error.stackTraceLimit = STACK_FRAMES;
  const told = await outcomeOf(decoder, input);
  Error.stackTraceLimit = 0;
  const detail = (told instanceof Error ? (told.stack ?? told.message) : error.message).slice(0, DETAIL_MAX_CHARS);
  return { decoder: decoder.name, index, kind: "threw", detail, inputHex: shownHex(isSmall ? least : input) };
}

function cpuSecondsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1e6;
}

const firstLine = ({ message }: Error) => message.split("\n", 1)[0];

/** Results so far of a running decoder. */
class Run {
  readonly #decoder: Decoder;
  readonly #startedNs = systemClock.monotonicNs();
  readonly #cpu = process.threadCpuUsage();
  readonly #counts = { decoded: 0, refused: 0 };
  #slowest = { ns: 0, index: 0 };
  #growth = NO_COSTS;
  #failure: Failure | undefined;

  constructor(decoder: Decoder) {
    this.#decoder = decoder;
  }

  async all(): Promise<DecoderResult> {
    const warmInputs = Math.ceil(inputs / 10);
    let heapBefore = 0;
    let index = 0;
    for (; index < inputs && this.#failure === undefined; index += 1) {
      Atomics.store(place, 1, index);
      if (index === warmInputs) heapBefore = heldBytes();
      const done = this.#one(index);
      // Most answer at once, and a million turns of the event loop are not free.
      if (done !== undefined) await done;
    }
    const isMeasured = inputs > warmInputs && this.#failure === undefined;
    return this.#result(index, isMeasured ? heldBytes() - heapBefore : 0);
  }

  #one(index: number): Promise<void> | undefined {
    const { growth } = this.#decoder;
    const input = inputOf(this.#decoder, seed, index);
    if (growth !== undefined && grownAt(index) !== undefined) return this.#grown(growth, input, index);
    const startedNs = systemClock.monotonicNs();
    const ended = (verdict: Verdict) => {
      this.#counts[verdict] += 1;
      const ns = systemClock.monotonicNs() - startedNs;
      if (ns > this.#slowest.ns) this.#slowest = { ns, index };
    };
    try {
      const verdict = this.#decoder.check(input);
      if (typeof verdict !== "string") return verdict.then(ended, (error: unknown) => this.#threw(index, error));
      ended(verdict);
    } catch (error) {
      return this.#threw(index, error);
    }
    return undefined;
  }

  /** One that is out of proportion: what it costs is measured first, and it is not among the slowest. */
  async #grown(growth: Growth, input: Uint8Array, index: number): Promise<void> {
    try {
      const cost = await costOf(growth, input);
      this.#growth = withCost(this.#growth, cost);
      const excess = excessOf(cost);
      if (excess !== undefined) {
        this.#failure = { decoder: this.#decoder.name, index, ...excess, inputHex: shownHex(input) };
        return;
      }
      this.#counts[await this.#decoder.check(input)] += 1;
      // What is closed in the next turn, such as an inflater, must not pile up.
      await nextTurn();
    } catch (error) {
      await this.#threw(index, error);
    }
  }

  async #threw(index: number, error: unknown): Promise<void> {
    const thrown = error instanceof Error ? error : new Error(`threw ${String(error)}`);
    this.#failure = await failureOf(this.#decoder, index, thrown);
  }

  #result(index: number, heapGrowthBytes: number): DecoderResult {
    if (heapGrowthBytes > HEAP_SLACK_BYTES) {
      const detail = `the heap holds ${heapGrowthBytes} bytes more than after the first tenth, want at most ${HEAP_SLACK_BYTES}`;
      this.#failure = { decoder: this.#decoder.name, index: inputs - 1, kind: "heap-grew", detail, inputHex: "" };
    }
    return {
      decoder: this.#decoder.name,
      inputs: index,
      ...this.#counts,
      cpuSeconds: cpuSecondsSince(this.#cpu),
      seconds: (systemClock.monotonicNs() - this.#startedNs) / NS_PER_S,
      slowestMs: this.#slowest.ns / NS_PER_MS,
      slowestIndex: this.#slowest.index,
      heapGrowthBytes,
      rssBytes: process.memoryUsage.rss(),
      growth: this.#growth,
      ...(this.#failure === undefined ? {} : { failure: this.#failure }),
    };
  }
}

for (const [at, name] of names.entries()) {
  const decoder = DECODERS.find((candidate) => candidate.name === name);
  assert(decoder !== undefined, `no decoder ${name}`);
  Atomics.store(place, 0, at);
  parentPort?.postMessage(await new Run(decoder).all());
}
