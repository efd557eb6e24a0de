/**
 * Whether the disk can be written and read.
 *
 * 1. Each change is reported once, however often the disk fails meanwhile.
 * 2. After a failed write nothing is written for {@link DISK_RETRY_MS}.
 */
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import { systemCode } from "../state/system-code.ts";
import { DISK_RETRY_MS } from "./bounds.ts";

/** A change of the disk. `code` is the system's, or ETIMEDOUT where the disk does not answer. */
export type DiskEvent =
  | { readonly kind: "disk-refused"; readonly code: string }
  | { readonly kind: "disk-accepted" }
  | { readonly kind: "disk-unreadable"; readonly code: string }
  | { readonly kind: "disk-readable" };

/** Follows one disk. */
export class DiskState {
  readonly #clock: Clock;
  readonly #onEvent: (event: DiskEvent) => void;
  /** Monotonic time of the next attempt to write, ns; undefined while writing works. */
  #retryNs: number | undefined;
  /** Whether the last read failed. */
  #isUnreadable = false;
  #unreadableReads = 0;

  constructor(clock: Clock, onEvent: (event: DiskEvent) => void) {
    this.#clock = clock;
    this.#onEvent = onEvent;
  }

  /** Failed reads. */
  get unreadableReads(): number {
    return this.#unreadableReads;
  }

  /** Whether a write may be tried now. */
  mayTry(): boolean {
    return this.#retryNs === undefined || this.#clock.monotonicNs() >= this.#retryNs;
  }

  /** A write failed. Throws an error that has no code of the system. */
  refused(error: unknown): void {
    this.#refuse(systemCode(error), this.#clock.monotonicNs() + DISK_RETRY_MS * NS_PER_MS);
  }

  /** A write does not end. Nothing more is written before it does. */
  hangs(): void {
    this.#refuse("ETIMEDOUT", Number.POSITIVE_INFINITY);
  }

  /** Whether a write does not end. */
  isHanging(): boolean {
    return this.#retryNs === Number.POSITIVE_INFINITY;
  }

  /** The write that hung has ended, well or not: the next may begin at once. */
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

  /** A record could not be read. */
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
