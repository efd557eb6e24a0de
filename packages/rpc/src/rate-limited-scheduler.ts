/**
 * Runs work that peers cause on the main thread: in turns, and within a rate of processor time.
 *
 * 1. Each source has a bucket of time, and all sources together have one. A source whose bucket is empty waits; no work
 *    is refused (F2).
 * 2. Groups of sources take turns, and so do the sources of a group. A source with a thousand connections, or a network
 *    with a thousand sources, delays another source by one turn.
 * 3. Within a source, connections that have begun go first. A handshake that has already cost time is finished before
 *    its timeout.
 */
import { type Clock, NS_PER_MS, type Timer, TokenBucket } from "@lifeline/measure";

/** Time that may be used at once after a rest, ms, and time that comes back each second, ms. */
export interface TimeAllowance {
  readonly capacityMs: number;
  readonly msPerS: number;
}

/** Allowances of one source, and of all sources together. */
export interface TimeAllowances {
  readonly source: TimeAllowance;
  readonly all: TimeAllowance;
  /**
   * True: counts processor time, including what a call does until it first waits. False: counts elapsed time until the
   * handler is called. Reading the processor time of the thread takes 4.5 µs, twice for each piece of work.
   */
  readonly isExact: boolean;
}

/**
 * Of unauthenticated connections. One source: a tenth of a core, and at once the handshakes of a thousand agents behind
 * one NAT, 3 ms each (BUDGETS.md, Connections). All: half of a core, so that authenticated connections have the other
 * half. After a restart of the collector, 10,000 agents connect within a minute.
 */
export const UNAUTHENTICATED_ALLOWANCES: TimeAllowances = {
  source: { capacityMs: 3_000, msPerS: 100 },
  all: { capacityMs: 100, msPerS: 500 },
  isExact: true,
};

/**
 * Of authenticated connections. One key or token: a tenth of a core, some 500 messages a second; an agent sends 11 at
 * most (the collector's REPORT_RATE). All: a whole core, because they only have to take turns. The services bound what
 * their calls cost: a person's query may take a second.
 */
export const AUTHENTICATED_ALLOWANCES: TimeAllowances = {
  source: { capacityMs: 3_000, msPerS: 100 },
  all: { capacityMs: 1_000, msPerS: 1_000 },
  isExact: false,
};

/** Most sources that are remembered; more than a collector has agents. */
export const BUDGET_SOURCES_MAX = 32_768;

/** How many sources are searched for one without a debt, before one with a debt is dropped. */
const EVICTION_SEARCH_MAX = 16;

/** How long turns may follow each other before the event loop runs, ms. */
const SLICE_MS = 5;

function bucketOf({ capacityMs, msPerS }: TimeAllowance, nowNs: number): TokenBucket {
  return new TokenBucket({ capacity: capacityMs * NS_PER_MS, perSecond: msPerS * NS_PER_MS }, nowNs);
}

interface Source {
  /** Of ns. */
  readonly bucket: TokenBucket;
  /** Work of connections that have begun, and of new ones; each in the order in which it was scheduled. */
  readonly begun: Set<() => void>;
  readonly fresh: Set<() => void>;
}

/** See the head of this file. One for each kind of connection of a listener. */
export class RateLimitedScheduler {
  readonly #clock: Clock;
  readonly #allowances: TimeAllowances;
  readonly #all: TokenBucket;
  /** In the order of their first work. */
  readonly #sources = new Map<string, Source>();
  /** Sources with waiting work, by group. The first one has the next turn. */
  readonly #waiting = new Map<string, Map<string, Source>>();
  readonly #groupOf: (name: string) => string;
  #isRunning = false;
  #sliceNs = 0;
  #timer: Timer | undefined;

  /** `groupOf`: the group of a source. Default: each source is a group. */
  constructor(clock: Clock, allowances: TimeAllowances, groupOf: (name: string) => string = (name) => name) {
    this.#clock = clock;
    this.#groupOf = groupOf;
    this.#allowances = allowances;
    this.#all = bucketOf(allowances.all, clock.monotonicNs());
  }

  /**
   * Runs `work` when its source and all sources together have time left: at once if no work waits. `hasBegun`: its
   * connection has had a turn.
   */
  schedule(name: string, hasBegun: boolean, work: () => void): void {
    const source = this.#sourceOf(name);
    const nowNs = this.#clock.monotonicNs();
    const mayNow = !this.#isRunning && this.#waiting.size === 0 && this.#all.waitMs(nowNs) === 0;
    if (mayNow && source.bucket.waitMs(nowNs) === 0) {
      this.#run(source, work);
      return;
    }
    (hasBegun ? source.begun : source.fresh).add(work);
    this.#wait(name, source);
    this.#next();
  }

  /** Cancels work that has not run. Idempotent. */
  cancel(name: string, work: () => void): void {
    const source = this.#waiting.get(this.#groupOf(name))?.get(name);
    if (source === undefined) return;
    source.begun.delete(work);
    source.fresh.delete(work);
    if (isIdle(source)) this.#unwait(name);
  }

  /** Sources with waiting work. */
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
    if (this.#sources.size > BUDGET_SOURCES_MAX) this.#evictOne();
    return source;
  }

  /**
   * Drops the first source without waiting work. Passes over sources with a debt, {@link EVICTION_SEARCH_MAX} at
   * most.
   */
  #evictOne(): void {
    const nowNs = this.#clock.monotonicNs();
    let searched = 0;
    for (const [name, source] of this.#sources) {
      searched += 1;
      if (!isIdle(source) || (searched < EVICTION_SEARCH_MAX && source.bucket.waitMs(nowNs) > 0)) continue;
      this.#sources.delete(name);
      return;
    }
  }

  /** Runs the next work, or sets a timer for the time at which some may run. */
  #next(): void {
    if (this.#isRunning || this.#waiting.size === 0) return;
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
    if (work === undefined) throw new Error("a waiting source has no work");
    queue.delete(work);
    this.#unwait(name);
    if (!isIdle(source)) this.#wait(name, source);
    this.#run(source, work);
  }

  /** Puts a source last in its group. A group that is waiting keeps its place. */
  #wait(name: string, source: Source): void {
    const group = this.#groupOf(name);
    const sources = this.#waiting.get(group) ?? new Map<string, Source>();
    this.#waiting.set(group, sources.set(name, source));
  }

  /** Takes a source out of its group, and puts the group last if other sources of it wait. */
  #unwait(name: string): void {
    const group = this.#groupOf(name);
    const sources = this.#waiting.get(group);
    if (sources === undefined) return;
    sources.delete(name);
    this.#waiting.delete(group);
    if (sources.size > 0) this.#waiting.set(group, sources);
  }

  #run(source: Source, work: () => void): void {
    this.#isRunning = true;
    const { isExact } = this.#allowances;
    const readNs = () => (isExact ? this.#clock.threadCpuNs() : this.#clock.monotonicNs());
    const startNs = readNs();
    work();
    // What the work defers to the end of this turn of the event loop is part of it: HTTP/2 reports its streams there,
    // and a call is admitted, decoded and started in the microtasks after that.
    const afterTicks = (done: () => void) => process.nextTick(done);
    const afterCalls = (done: () => void) => afterTicks(() => queueMicrotask(() => afterTicks(done)));
    (isExact ? afterCalls : afterTicks)(() => {
      const spentNs = readNs() - startNs;
      source.bucket.spend(spentNs);
      this.#all.spend(spentNs);
      this.#isRunning = false;
      this.#sliceNs += spentNs;
      if (this.#sliceNs < SLICE_MS * NS_PER_MS) return this.#next();
      this.#isRunning = true;
      setImmediate(() => {
        this.#sliceNs = 0;
        this.#isRunning = false;
        this.#next();
      });
    });
  }
}

function isIdle({ begun, fresh }: Source): boolean {
  return begun.size + fresh.size === 0;
}
