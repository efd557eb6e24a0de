/**
 * For tests: the host's clock, on which this process stalls when a test says so and never by chance. Not part of the
 * package.
 */
import { type Clock, NS_PER_MS, systemClock, type Timer } from "@lifeline/measure";
import type { KernelClock } from "../kernel.ts";

/**
 * Turns of the event loop between a timer's due time and its callback. A peer in this process needs two to read a
 * request and to answer it, and the prober one to read the answer.
 */
const GRACE_TURNS = 16;

/** A moment by the host's clock and by this one. */
interface Mark {
  readonly hostNs: number;
  readonly ownNs: number;
}

interface Pending {
  readonly dueNs: number;
  readonly wake: () => void;
}

/**
 * A clock that runs with the host's, but stands still within a turn of the event loop, and while a timer is due and its
 * callback has not run. Timers fire one after another, each at its due time. A busy machine therefore delays a test and
 * does not change its result: no timer is late, and every answer on loopback is read before its time is over.
 */
export class PunctualClock implements Clock {
  readonly wallMs = systemClock.wallMs;
  readonly threadCpuNs = systemClock.threadCpuNs;
  readonly #marks: [Mark, ...Mark[]] = [{ hostNs: systemClock.monotonicNs(), ownNs: 0 }];
  readonly #pending = new Set<Pending>();
  /** The one that fires next, and the host's timer for it. */
  #next: Pending | undefined;
  #timer: Timer | undefined;
  /** The reading of this turn. */
  #nowNs: number | undefined;

  monotonicNs(): number {
    return this.#nowNs ?? this.#hold(this.#runningNs());
  }

  after(delayMs: number, wake: () => void): Timer {
    const pending = { dueNs: this.monotonicNs() + delayMs * NS_PER_MS, wake };
    this.#pending.add(pending);
    this.#arm();
    return {
      cancel: () => {
        this.#pending.delete(pending);
        this.#arm();
      },
    };
  }

  /**
   * Moves the clock on by `ms` in which nothing of this process ran, as a long garbage collection does. Timers that
   * fell due run now.
   */
  stall(ms: number): void {
    const nowNs = this.monotonicNs();
    this.#setTo(nowNs);
    this.#setTo(nowNs + ms * NS_PER_MS);
    for (const pending of [...this.#pending].sort(byDueTime)) {
      if (pending.dueNs <= this.monotonicNs()) this.#fire(pending);
    }
  }

  /** `kernel` with the age of datagrams by this clock: a stall makes them older. */
  kernel(kernel: KernelClock): KernelClock {
    return {
      ...kernel,
      sinceArrivalNs: (fd) => {
        const ageNs = kernel.sinceArrivalNs(fd);
        return ageNs && this.monotonicNs() - this.#ownNsAt(systemClock.monotonicNs() - ageNs);
      },
    };
  }

  /** Sets the host's timer for the earliest callback. */
  #arm(): void {
    const [next] = [...this.#pending].sort(byDueTime);
    if (next === this.#next) return;
    this.#timer?.cancel();
    this.#next = next;
    if (next === undefined) return;
    const delayMs = Math.max(0, (next.dueNs - this.monotonicNs()) / NS_PER_MS);
    const fire = () => {
      if (this.#next === next) this.#fire(next);
    };
    this.#timer = systemClock.after(delayMs, () => afterTurns(GRACE_TURNS, fire));
  }

  #fire(pending: Pending): void {
    const nowNs = Math.max(this.monotonicNs(), pending.dueNs);
    if (!this.#pending.delete(pending)) return;
    this.#setTo(nowNs);
    pending.wake();
    this.#arm();
  }

  #setTo(ownNs: number): void {
    this.#marks.push({ hostNs: systemClock.monotonicNs(), ownNs });
    this.#hold(ownNs);
  }

  /** Makes `ownNs` the reading until the end of this turn. */
  #hold(ownNs: number): number {
    this.#nowNs = ownNs;
    setImmediate(() => {
      if (this.#nowNs === ownNs) this.#nowNs = undefined;
    });
    return ownNs;
  }

  #runningNs(): number {
    const { hostNs, ownNs } = this.#marks.at(-1) ?? this.#marks[0];
    const dueNs = Math.min(...[...this.#pending].map((pending) => pending.dueNs));
    return Math.min(ownNs + systemClock.monotonicNs() - hostNs, Math.max(ownNs, dueNs));
  }

  /**
   * The reading at a moment that is over. Between two marks the clock ran with the host's up to the reading of the
   * later one.
   */
  #ownNsAt(hostNs: number): number {
    const at = this.#marks.findLastIndex((mark) => mark.hostNs <= hostNs);
    const before = this.#marks[at] ?? this.#marks[0];
    return Math.min(before.ownNs + hostNs - before.hostNs, this.#marks[at + 1]?.ownNs ?? this.monotonicNs());
  }
}

function byDueTime(a: Pending, b: Pending): number {
  return a.dueNs - b.dueNs;
}

/** A {@link PunctualClock} under a load that makes each of its timers `lagMs` late. */
export class LaggingClock extends PunctualClock {
  readonly #lagMs: number;

  constructor(lagMs: number) {
    super();
    this.#lagMs = lagMs;
  }

  override after(delayMs: number, wake: () => void): Timer {
    return super.after(delayMs + this.#lagMs, wake);
  }
}

function afterTurns(turns: number, done: () => void): void {
  if (turns === 0) done();
  else setImmediate(() => afterTurns(turns - 1, done));
}
