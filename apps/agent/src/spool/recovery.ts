/**
 * Reads what earlier starts left on the disk, as soon as the disk can be read.
 *
 * 1. What cannot be read at opening, one segment or the whole directory, is read again every {@link DISK_RETRY_MS},
 *    oldest first, until one read fails. So a failing disk costs one read each time, and a disk that works again gives
 *    everything back.
 * 2. Segments that stay unreadable beyond the bound on age are removed, with an event.
 * 3. The number of a segment that is in the directory is never used again.
 */
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import { makeDirectory } from "../state/make-directory.ts";
import { systemCode } from "../state/system-code.ts";
import { DISK_RETRY_MS, SPOOL_MAX_RECORDS } from "./bounds.ts";
import type { RecordIndex } from "./record-index.ts";
import type { Ring } from "./ring.ts";
import { listSegments, loadSegment, removeSegment } from "./segment.ts";
import { keyOf } from "./spool-record.ts";

/** What a {@link Recovery} needs. */
export interface RecoveryOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly index: RecordIndex;
  readonly maxAgeNs: number;
  /** Takes a segment that was read. */
  readonly take: Ring["take"];
  /** A segment could not be read; it is read again later. */
  readonly onUnreadable: () => void;
  /** Segments that could never be read are removed. How many reports they held is not known. */
  readonly onGiveUp: (segments: number) => void;
}

/** Finds the segments of earlier starts. */
export class Recovery {
  readonly #options: RecoveryOptions;
  /** Segments that have not been read, the next to read first; undefined until the directory could be listed. */
  #unread: number[] | undefined;
  /** Monotonic times of the next read, and of giving up, ns. */
  #retryNs = 0;
  #giveUpNs = 0;
  #lastNumber = 0;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** Reads what can be read. Rejects with the system's error when the directory can be neither made nor listed. */
  async open(): Promise<void> {
    const unread = await this.#list();
    let known = new Set<string>();
    for (const number of unread.splice(0)) {
      // One unreadable segment does not hide the others.
      if (!(await this.#load(number, known, false))) unread.push(number);
      // Reports that the ring has dropped since need not be known.
      if (known.size > 2 * SPOOL_MAX_RECORDS) known = this.#held();
    }
    this.#retryLater();
  }

  /** Reads again, when it is time, what could not be read. Never rejects on a fault of the disk. */
  async retry(): Promise<void> {
    const { clock } = this.#options;
    const unread = this.#unread ?? [];
    if (unread.length === 0 || clock.monotonicNs() < this.#retryNs) return;
    this.#retryLater();
    const known = this.#held();
    for (const number of [...unread]) {
      unread.shift();
      if (await this.#load(number, known, true)) continue;
      unread.push(number);
      break;
    }
    if (unread.length > 0 && clock.monotonicNs() > this.#giveUpNs) await this.#giveUp(unread);
  }

  /**
   * Makes the directory where it is missing. Resolves with a number above every segment's in it. Rejects with the
   * system's error.
   */
  async newNumber(): Promise<number> {
    await this.#list();
    this.#lastNumber += 1;
    return this.#lastNumber;
  }

  /**
   * Another directory has taken the place of the one that was listed. Its segments are read as those that could not be
   * read.
   */
  listAgain(): void {
    this.#unread = undefined;
  }

  #held(): Set<string> {
    const known = new Set<string>();
    for (const record of this.#options.index.all()) known.add(keyOf(record));
    return known;
  }

  #retryLater(): void {
    this.#retryNs = this.#options.clock.monotonicNs() + DISK_RETRY_MS * NS_PER_MS;
  }

  async #list(): Promise<number[]> {
    const { directory, clock, maxAgeNs } = this.#options;
    makeDirectory(directory);
    if (this.#unread !== undefined) return this.#unread;
    const { segments, strayAcks } = await listSegments(directory);
    for (const number of strayAcks) await removeSegment(directory, number);
    this.#lastNumber = Math.max(this.#lastNumber, segments.at(-1) ?? 0);
    this.#giveUpNs = clock.monotonicNs() + maxAgeNs;
    this.#unread = [...segments];
    return this.#unread;
  }

  /** Whether a segment was read, or no longer exists. */
  async #load(number: number, known: Set<string>, isRecovered: boolean): Promise<boolean> {
    const { directory, take, onUnreadable } = this.#options;
    try {
      await take(number, await loadSegment(directory, number), known, isRecovered);
      return true;
    } catch (error) {
      if (systemCode(error) === "ENOENT") return true;
      onUnreadable();
      return false;
    }
  }

  async #giveUp(unread: number[]): Promise<void> {
    for (const number of unread) await removeSegment(this.#options.directory, number);
    this.#options.onGiveUp(unread.splice(0).length);
  }
}
