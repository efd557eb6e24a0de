/** For tests: the host's clock, on which this process stalls when a test says so and never by chance. Not part of the package. */
import { type Clock, NS_PER_MS, systemClock, type Timer } from "@lifeline/measure";
import type { KernelClock } from "../kernel.ts";

/**
 * Turns of the event loop between a timer's due time and its callback. A peer in this process needs two to read a request and to
 * answer it, and the prober one to read the answer.
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
 * A clock that runs with the host's, but stands still while a timer is due and its callback has not run. A busy machine therefore
 * delays a test and does not change its result: no timer fires late, and every answer on loopback is read before its time is up.
 */
export class PunctualClock implements Clock {
  readonly wallMs = systemClock.wallMs;
  readonly threadCpuNs = systemClock.threadCpuNs;
  readonly #marks: Mark[] = [{ hostNs: systemClock.monotonicNs(), ownNs: 0 }];
  readonly #pending = new Set<Pending>();

  monotonicNs(): number {
    const { hostNs, ownNs } = this.#mark(this.#marks.length - 1);
    const dueNs = Math.min(...[...this.#pending].map((pending) => pending.dueNs));
    return Math.min(ownNs + systemClock.monotonicNs() - hostNs, Math.max(ownNs, dueNs));
  }

  after(delayMs: number, wake: () => void): Timer {
    const pending = { dueNs: this.monotonicNs() + delayMs * NS_PER_MS, wake };
    this.#pending.add(pending);
    const timer = systemClock.after(delayMs, () => afterTurns(GRACE_TURNS, () => this.#fire(pending)));
    return {
      cancel: () => {
        this.#pending.delete(pending);
        timer.cancel();
      },
    };
  }

  /** Moves the clock on by `ms` in which nothing of this process ran, as a long garbage collection does. Timers that fell due run now. */
  stall(ms: number): void {
    const nowNs = this.monotonicNs();
    this.#setTo(nowNs);
    this.#setTo(nowNs + ms * NS_PER_MS);
    const overdue = [...this.#pending].filter(({ dueNs }) => dueNs <= this.monotonicNs());
    for (const pending of overdue.sort((a, b) => a.dueNs - b.dueNs)) this.#fire(pending);
  }

  /** `kernel` with the age of datagrams by this clock: what stalls the process lets them grow older. */
  kernel(kernel: KernelClock): KernelClock {
    return {
      ...kernel,
      sinceArrivalNs: (fd) => {
        const ageNs = kernel.sinceArrivalNs(fd);
        return ageNs && this.monotonicNs() - this.#ownNsAt(systemClock.monotonicNs() - ageNs);
      },
    };
  }

  #fire(pending: Pending): void {
    const nowNs = Math.max(this.monotonicNs(), pending.dueNs);
    if (!this.#pending.delete(pending)) return;
    this.#setTo(nowNs);
    pending.wake();
  }

  #setTo(ownNs: number): void {
    this.#marks.push({ hostNs: systemClock.monotonicNs(), ownNs });
  }

  /** The reading at a moment that is over. Between two marks the clock ran with the host's up to the reading of the later one. */
  #ownNsAt(hostNs: number): number {
    const at = Math.max(
      0,
      this.#marks.findLastIndex((mark) => mark.hostNs <= hostNs),
    );
    const before = this.#mark(at);
    return Math.min(before.ownNs + hostNs - before.hostNs, this.#marks[at + 1]?.ownNs ?? this.monotonicNs());
  }

  #mark(at: number): Mark {
    return this.#marks[at] ?? { hostNs: 0, ownNs: 0 };
  }
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
