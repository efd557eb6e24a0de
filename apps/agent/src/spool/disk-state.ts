/**
 * Whether the disk takes what is written and gives what is read.
 *
 * 1. Each change is told once, however often the disk refuses meanwhile.
 * 2. A disk that refused is left alone for {@link DISK_RETRY_MS}.
 */
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import { systemCode } from "../state/system-code.ts";
import { DISK_RETRY_MS } from "./bounds.ts";

/** A change of the disk's. `code` is the system's; ETIMEDOUT where the disk does not answer at all. */
export type DiskEvent =
  | { readonly kind: "disk-refused"; readonly code: string }
  | { readonly kind: "disk-accepted" }
  | { readonly kind: "disk-unreadable"; readonly code: string }
  | { readonly kind: "disk-readable" };

/** Follows one disk. */
export class DiskState {
  readonly #clock: Clock;
  readonly #onEvent: (event: DiskEvent) => void;
  /** Monotonic time before which a disk that refused is left alone; undefined while it accepts. */
  #retryNs: number | undefined;
  /** Whether the last read failed for now. */
  #isUnreadable = false;
  #unreadableReads = 0;

  constructor(clock: Clock, onEvent: (event: DiskEvent) => void) {
    this.#clock = clock;
    this.#onEvent = onEvent;
  }

  /** Times the disk would not read. */
  get unreadableReads(): number {
    return this.#unreadableReads;
  }

  /** Whether a write may be tried now. */
  mayTry(): boolean {
    return this.#retryNs === undefined || this.#clock.monotonicNs() >= this.#retryNs;
  }

  /** A write failed. Throws what is no system's error. */
  refused(error: unknown): void {
    this.#refuse(systemCode(error), this.#clock.monotonicNs() + DISK_RETRY_MS * NS_PER_MS);
  }

  /** A write is under way and does not end: nothing more is tried before it does. */
  hangs(): void {
    this.#refuse("ETIMEDOUT", Number.POSITIVE_INFINITY);
  }

  /** Whether a write is under way that does not end. */
  isHanging(): boolean {
    return this.#retryNs === Number.POSITIVE_INFINITY;
  }

  /** The write that hung has ended, one way or the other: the next may be tried at once. */
  answered(): void {
    if (this.isHanging()) this.#retryNs = this.#clock.monotonicNs();
  }

  #refuse(code: string, retryNs: number): void {
    const wasAccepting = this.#retryNs === undefined;
    this.#retryNs = retryNs;
    if (wasAccepting) this.#onEvent({ kind: "disk-refused", code });
  }

  /** A write succeeded. */
  accepted(): void {
    if (this.#retryNs === undefined) return;
    this.#retryNs = undefined;
    this.#onEvent({ kind: "disk-accepted" });
  }

  /** A segment could not be read at opening. */
  countUnreadable(): void {
    this.#unreadableReads += 1;
  }

  /** A record could not be read for now. */
  unreadable(code: string): void {
    this.#unreadableReads += 1;
    if (this.#isUnreadable) return;
    this.#isUnreadable = true;
    this.#onEvent({ kind: "disk-unreadable", code });
  }

  /** A record could be read. */
  readable(): void {
    if (!this.#isUnreadable) return;
    this.#isUnreadable = false;
    this.#onEvent({ kind: "disk-readable" });
  }
}
