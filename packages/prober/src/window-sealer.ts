/**
 * When windows seal: at their boundary, and early those that a turn asks for. Windows that seal early are gathered, so
 * that a fault that hits every target at once costs one report.
 */
import { type Clock, NS_PER_MS, type Timer } from "@lifeline/measure";
import type { Window } from "@lifeline/window";
import { SealLimit } from "./seal-limit.ts";
import { endLabelMs, firstSpan, labelMs, nextSpan, type WindowSpan } from "./window-boundary.ts";

/**
 * Most times within WINDOW_MS that the confirmation of a bad run seals the windows of all targets. What stood beside a
 * fault shows its cause (small packets beside large ones, one endpoint beside another) and must not arrive ten seconds
 * after it. Three faults in a row stay separate. Each costs one report of as many windows as a boundary's.
 */
const SEAL_ALL_MAX = 3;

/** How long early seals are gathered into one report, ms: a fault that hits every target at once costs one report. */
export const GATHER_MS = 100;

/** What seals a window: its end and the start of the next one, ms since the epoch. */
type Seal<T> = (endMs: number, nextStartMs: number) => T;

/** What a {@link WindowSealer} needs. */
export interface WindowSealerOptions {
  readonly clock: Clock;
  /** Seals the open windows of all targets. */
  readonly sealAll: Seal<readonly Window[]>;
  /** Takes windows that were sealed together, never none. */
  readonly sealed: (windows: readonly Window[], sealedAtMs: number) => void;
}

/** Seals windows until stopped. The first span opens when it is made. */
export class WindowSealer {
  readonly #options: WindowSealerOptions;
  readonly #clock: Clock;
  readonly #sealAllLimit = new SealLimit(SEAL_ALL_MAX);
  #span: WindowSpan;
  #gathered: Window[] = [];
  #gatherTimer: Timer | undefined;
  #boundaryTimer: Timer | undefined;
  #sealsAll = false;

  constructor(options: WindowSealerOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#span = firstSpan(this.#clock.wallMs(), this.#clock.monotonicNs());
    this.#armBoundary();
  }

  /** The label of now within the span, ms since the epoch. */
  nowMs(): number {
    return labelMs(this.#span, this.#clock.monotonicNs());
  }

  /** Seals one window now. It leaves with what else seals within {@link GATHER_MS}. */
  sealEarly(seal: Seal<Window | undefined>): void {
    const nowMs = this.nowMs();
    const window = seal(nowMs, nowMs);
    if (window !== undefined) this.#gathered.push(window);
    this.#gatherTimer ??= this.#clock.after(GATHER_MS, () => this.#endGathering());
  }

  /** Lets the windows of all targets seal with those that are gathered now, within a limit. */
  requestAll(): void {
    this.#sealsAll ||= this.#sealAllLimit.take(this.#clock.monotonicNs());
  }

  /** Seals everything now and stops the timers. */
  stop(): void {
    this.#boundaryTimer?.cancel();
    this.#sealsAll = true;
    this.#endGathering();
  }

  #endGathering(): void {
    const nowMs = this.nowMs();
    if (this.#sealsAll) this.#gathered.push(...this.#options.sealAll(nowMs, nowMs));
    this.#flush();
  }

  #armBoundary(): void {
    const remainingNs = this.#span.boundaryNs - this.#clock.monotonicNs();
    this.#boundaryTimer = this.#clock.after(Math.max(0, Math.ceil(remainingNs / NS_PER_MS)), () => {
      if (this.#clock.monotonicNs() >= this.#span.boundaryNs) this.#sealAtBoundary();
      this.#armBoundary();
    });
  }

  #sealAtBoundary(): void {
    const nowNs = this.#clock.monotonicNs();
    const endMs = endLabelMs(this.#span, nowNs);
    this.#span = nextSpan(this.#clock.wallMs(), nowNs);
    this.#gathered.push(...this.#options.sealAll(endMs, this.#span.startMs));
    this.#flush();
  }

  #flush(): void {
    this.#gatherTimer?.cancel();
    this.#gatherTimer = undefined;
    this.#sealsAll = false;
    const windows = this.#gathered;
    this.#gathered = [];
    if (windows.length > 0) this.#options.sealed(windows, this.#clock.wallMs());
  }
}
