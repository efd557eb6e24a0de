/**
 * How much of the main thread those who have proven nothing may take. What they send is worked on in turns, and paid for with the time it took.
 *
 * 1. Each source has a bucket of time, and all of them together have one. Whoever's bucket is empty waits; nothing is refused here (F2).
 * 2. Sources take turns, so a source with a thousand connections delays another by one turn.
 * 3. Within a source, connections that were begun go first: a handshake that has cost something is finished, not given up at its timeout.
 */
import { type Clock, NS_PER_MS, type Timer } from "@lifeline/measure";

/** How much time may be spent at once, ms, and how much comes back in a second, ms. */
export interface Allowance {
  readonly capacityMs: number;
  readonly msPerS: number;
}

/**
 * Of one source: a tenth of a core for long, and at once the handshakes of a thousand agents behind one address translator, 3 ms each
 * (BUDGETS.md, handshakes).
 */
export const SOURCE_ALLOWANCE: Allowance = { capacityMs: 3_000, msPerS: 100 };

/** Of all sources together: half of a core, so that those who are let in keep the other half. After a restart that is 10,000 agents in a minute. */
export const ALL_ALLOWANCE: Allowance = { capacityMs: 100, msPerS: 500 };

/** Most sources that are remembered. The one that spent longest ago is forgotten first: its bucket is the likeliest to be full. */
export const SOURCES_MAX = 16_384;

/** How long turns may follow each other before the event loop has its own, ms. */
const SLICE_MS = 5;

const MS_PER_S = 1_000;

class Bucket {
  readonly #allowance: Allowance;
  #leftNs: number;
  #atNs: number;
  constructor(allowance: Allowance, nowNs: number) {
    this.#allowance = allowance;
    this.#leftNs = allowance.capacityMs * NS_PER_MS;
    this.#atNs = nowNs;
  }
  /** How long until something may be spent, ms; 0: now. */
  waitMs(nowNs: number): number {
    const { capacityMs, msPerS } = this.#allowance;
    const backNs = ((nowNs - this.#atNs) * msPerS) / MS_PER_S;
    this.#leftNs = Math.min(capacityMs * NS_PER_MS, this.#leftNs + backNs);
    this.#atNs = nowNs;
    return this.#leftNs > 0 ? 0 : (-this.#leftNs / NS_PER_MS / msPerS) * MS_PER_S + 1;
  }
  /** What was spent may leave a debt: nothing more is spent until it is paid. */
  spend(ns: number): void {
    this.#leftNs -= ns;
  }
}

interface Source {
  readonly bucket: Bucket;
  /** Work of connections that were begun, and of others; in the order in which it was asked for. */
  readonly begun: Set<() => void>;
  readonly fresh: Set<() => void>;
}

/** The budget of a listener. */
export class WorkBudget {
  readonly #clock: Clock;
  readonly #all: Bucket;
  /** In the order of their last turn. */
  readonly #sources = new Map<string, Source>();
  /** Those with work that waits; the next one to have a turn is first. */
  readonly #waiting = new Map<string, Source>();
  #isAtWork = false;
  #sliceNs = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#all = new Bucket(ALL_ALLOWANCE, clock.monotonicNs());
  }

  /** Runs `work` when its source and all of them have time left: at once where nobody waits. `hasBegun`: its connection has had a turn before. */
  ask(name: string, hasBegun: boolean, work: () => void): void {
    const source = this.#sourceOf(name);
    (hasBegun ? source.begun : source.fresh).add(work);
    this.#waiting.set(name, source);
    this.#next();
  }

  /** Forgets work that was asked for and has not had its turn. Idempotent. */
  giveUp(name: string, work: () => void): void {
    const source = this.#waiting.get(name);
    if (source === undefined) return;
    source.begun.delete(work);
    source.fresh.delete(work);
    if (isIdle(source)) this.#waiting.delete(name);
  }

  /** Sources with work that waits. */
  get waiting(): number {
    return this.#waiting.size;
  }

  #sourceOf(name: string): Source {
    const known = this.#sources.get(name);
    if (known !== undefined) return known;
    const source = {
      bucket: new Bucket(SOURCE_ALLOWANCE, this.#clock.monotonicNs()),
      begun: new Set<() => void>(),
      fresh: new Set<() => void>(),
    };
    this.#sources.set(name, source);
    if (this.#sources.size > SOURCES_MAX) {
      for (const [oldest, { begun, fresh }] of this.#sources) {
        if (begun.size + fresh.size > 0) continue;
        this.#sources.delete(oldest);
        break;
      }
    }
    return source;
  }

  /** Gives the next one its turn, or waits until there is one to give. */
  #next(): void {
    if (this.#isAtWork || this.#waiting.size === 0) return;
    this.#timer?.cancel();
    const nowNs = this.#clock.monotonicNs();
    let soonestMs = this.#all.waitMs(nowNs);
    if (soonestMs === 0) {
      soonestMs = Number.POSITIVE_INFINITY;
      for (const [name, source] of this.#waiting) {
        const waitMs = source.bucket.waitMs(nowNs);
        if (waitMs === 0) {
          this.#run(name, source);
          return;
        }
        soonestMs = Math.min(soonestMs, waitMs);
      }
    }
    this.#timer = this.#clock.after(soonestMs, () => this.#next());
  }

  #run(name: string, source: Source): void {
    const queue = source.begun.size > 0 ? source.begun : source.fresh;
    const [work] = queue;
    if (work === undefined) throw new Error("a source waits without work");
    queue.delete(work);
    this.#waiting.delete(name);
    if (!isIdle(source)) this.#waiting.set(name, source);
    this.#sources.delete(name);
    this.#sources.set(name, source);
    this.#isAtWork = true;
    const startNs = this.#clock.monotonicNs();
    work();
    // What the work has put off to the end of this turn of the event loop is part of it: HTTP/2 has its streams told of there.
    process.nextTick(() => {
      const spentNs = this.#clock.monotonicNs() - startNs;
      source.bucket.spend(spentNs);
      this.#all.spend(spentNs);
      this.#isAtWork = false;
      this.#sliceNs += spentNs;
      if (this.#sliceNs < SLICE_MS * NS_PER_MS) return this.#next();
      this.#isAtWork = true;
      setImmediate(() => {
        this.#sliceNs = 0;
        this.#isAtWork = false;
        this.#next();
      });
    });
  }
}

function isIdle({ begun, fresh }: Source): boolean {
  return begun.size + fresh.size === 0;
}
