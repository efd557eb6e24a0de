/**
 * How much of the main thread what peers send may take. It is worked on in turns, and paid for with the processor time it took.
 *
 * 1. Each source has a bucket of time, and all of them together have one. A source with an empty bucket waits; nothing is refused here (F2).
 * 2. Groups of sources take turns, and within them their sources: a source with a thousand connections, or a network with a thousand
 *    sources, delays another by one turn.
 * 3. Within a source, connections that were begun go first: a handshake that has cost something is finished, not given up at its timeout.
 */
import { type Clock, NS_PER_MS, type Timer, TokenBucket } from "@lifeline/measure";

/** How much time may be spent at once, ms, and how much comes back in a second, ms. */
export interface TimeAllowance {
  readonly capacityMs: number;
  readonly msPerS: number;
}

/** What one source may take, and all of them together. */
export interface TimeAllowances {
  readonly source: TimeAllowance;
  readonly all: TimeAllowance;
  /**
   * Exact: processor time, and what a call does until it first waits for something is counted too. Else elapsed time, of its way to the handler
   * alone: to read the thread's processor time takes 4.5 µs, twice for each piece of work.
   */
  readonly isExact: boolean;
}

/**
 * Of those who have proven nothing. One source: a tenth of a core for long, and at once the handshakes of a thousand agents behind one
 * address translator, 3 ms each (BUDGETS.md, Connections). All: half of a core, so that those who are let in keep the other half; after a
 * restart that is 10,000 agents in a minute.
 */
export const UNAUTHENTICATED_ALLOWANCES: TimeAllowances = {
  source: { capacityMs: 3_000, msPerS: 100 },
  all: { capacityMs: 100, msPerS: 500 },
  isExact: true,
};

/**
 * Of those who have. One key or token: a tenth of a core, some 500 messages a second where an agent sends 11 at most (the collector's
 * REPORT_RATE). All: the whole of it, for they are to take turns and no more. What their calls do is the services' to bound: a person's
 * query may take a second.
 */
export const AUTHENTICATED_ALLOWANCES: TimeAllowances = {
  source: { capacityMs: 3_000, msPerS: 100 },
  all: { capacityMs: 1_000, msPerS: 1_000 },
  isExact: false,
};

/** Most sources that are remembered, more than a collector has agents. */
export const BUDGET_SOURCES_MAX = 32_768;

/** How many sources are looked at for one whose bucket is not empty, before one is forgotten whose is. */
const FORGETTING_LOOKS = 16;

/** How long turns may follow each other before the event loop has its own, ms. */
const SLICE_MS = 5;

function bucketOf({ capacityMs, msPerS }: TimeAllowance, nowNs: number): TokenBucket {
  return new TokenBucket({ capacity: capacityMs * NS_PER_MS, perSecond: msPerS * NS_PER_MS }, nowNs);
}

interface Source {
  /** Of ns. */
  readonly bucket: TokenBucket;
  /** Work of connections that were begun, and of others; in the order in which it was asked for. */
  readonly begun: Set<() => void>;
  readonly fresh: Set<() => void>;
}

/** The budget of a listener. */
export class WorkBudget {
  readonly #clock: Clock;
  readonly #allowances: TimeAllowances;
  readonly #all: TokenBucket;
  /** In the order in which they came. */
  readonly #sources = new Map<string, Source>();
  /** Those with work that waits, by group; the next one to have a turn is first. */
  readonly #waiting = new Map<string, Map<string, Source>>();
  readonly #groupOf: (name: string) => string;
  #isAtWork = false;
  #sliceNs = 0;
  #timer: Timer | undefined;

  /** `groupOf`: which sources take turns together. Default: each by itself. */
  constructor(clock: Clock, allowances: TimeAllowances, groupOf: (name: string) => string = (name) => name) {
    this.#clock = clock;
    this.#groupOf = groupOf;
    this.#allowances = allowances;
    this.#all = bucketOf(allowances.all, clock.monotonicNs());
  }

  /** Runs `work` when its source and all of them have time left: at once where nobody waits. `hasBegun`: its connection has had a turn before. */
  ask(name: string, hasBegun: boolean, work: () => void): void {
    const source = this.#sourceOf(name);
    const nowNs = this.#clock.monotonicNs();
    const mayNow = !this.#isAtWork && this.#waiting.size === 0 && this.#all.waitMs(nowNs) === 0;
    if (mayNow && source.bucket.waitMs(nowNs) === 0) {
      this.#run(source, work);
      return;
    }
    (hasBegun ? source.begun : source.fresh).add(work);
    this.#wait(name, source);
    this.#next();
  }

  /** Forgets work that was asked for and has not had its turn. Idempotent. */
  giveUp(name: string, work: () => void): void {
    const source = this.#waiting.get(this.#groupOf(name))?.get(name);
    if (source === undefined) return;
    source.begun.delete(work);
    source.fresh.delete(work);
    if (isIdle(source)) this.#unwait(name);
  }

  /** Sources with work that waits. */
  get waiting(): number {
    return [...this.#waiting.values()].reduce((sum, sources) => sum + sources.size, 0);
  }

  /** Sources that are remembered, {@link BUDGET_SOURCES_MAX} at most. */
  get sources(): number {
    return this.#sources.size;
  }

  #sourceOf(name: string): Source {
    const known = this.#sources.get(name);
    if (known !== undefined) return known;
    const source = {
      bucket: bucketOf(this.#allowances.source, this.#clock.monotonicNs()),
      begun: new Set<() => void>(),
      fresh: new Set<() => void>(),
    };
    this.#sources.set(name, source);
    if (this.#sources.size > BUDGET_SOURCES_MAX) this.#forgetOne();
    return source;
  }

  /** The first that waits for nothing. One that would have had to wait longer is looked over a few times, not for ever. */
  #forgetOne(): void {
    const nowNs = this.#clock.monotonicNs();
    let looks = 0;
    for (const [name, source] of this.#sources) {
      looks += 1;
      if (!isIdle(source) || (looks < FORGETTING_LOOKS && source.bucket.waitMs(nowNs) > 0)) continue;
      this.#sources.delete(name);
      return;
    }
  }

  /** Gives the next one its turn, or waits until there is one to give. */
  #next(): void {
    if (this.#isAtWork || this.#waiting.size === 0) return;
    this.#timer?.cancel();
    const nowNs = this.#clock.monotonicNs();
    let soonestMs = this.#all.waitMs(nowNs);
    if (soonestMs === 0) {
      soonestMs = Number.POSITIVE_INFINITY;
      for (const sources of this.#waiting.values()) {
        for (const [name, source] of sources) {
          const waitMs = source.bucket.waitMs(nowNs);
          if (waitMs === 0) {
            this.#runFirst(name, source);
            return;
          }
          soonestMs = Math.min(soonestMs, waitMs);
        }
      }
    }
    this.#timer = this.#clock.after(soonestMs, () => this.#next());
  }

  #runFirst(name: string, source: Source): void {
    const queue = source.begun.size > 0 ? source.begun : source.fresh;
    const [work] = queue;
    if (work === undefined) throw new Error("a source waits without work");
    queue.delete(work);
    this.#unwait(name);
    if (!isIdle(source)) this.#wait(name, source);
    this.#run(source, work);
  }

  /** Last in its group, which keeps its place if it has one. */
  #wait(name: string, source: Source): void {
    const group = this.#groupOf(name);
    const sources = this.#waiting.get(group) ?? new Map<string, Source>();
    this.#waiting.set(group, sources.set(name, source));
  }

  /** Takes it out of its group, which goes last if others of it wait. */
  #unwait(name: string): void {
    const group = this.#groupOf(name);
    const sources = this.#waiting.get(group);
    if (sources === undefined) return;
    sources.delete(name);
    this.#waiting.delete(group);
    if (sources.size > 0) this.#waiting.set(group, sources);
  }

  #run(source: Source, work: () => void): void {
    this.#isAtWork = true;
    const { isExact } = this.#allowances;
    const readNs = () => (isExact ? this.#clock.threadCpuNs() : this.#clock.monotonicNs());
    const startNs = readNs();
    work();
    // What the work has put off to the end of this turn of the event loop is part of it: HTTP/2 has its streams told of there, and a call is
    // admitted, decoded and begun in the microtasks after that.
    const afterTicks = (done: () => void) => process.nextTick(done);
    const afterCalls = (done: () => void) => afterTicks(() => queueMicrotask(() => afterTicks(done)));
    (isExact ? afterCalls : afterTicks)(() => {
      const spentNs = readNs() - startNs;
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
