/**
 * What earlier starts left on the disk, read once it can be.
 *
 * 1. What cannot be read at opening, one segment or the whole directory, is tried again every {@link DISK_RETRY_MS}, oldest first, until
 *    one fails: a sick disk costs one read, one that is well again gives back all it has.
 * 2. What stays unreadable past the bound on age is removed, and told.
 * 3. No number that is there is given a second time.
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
  /** Where segments that were read go. */
  readonly take: Ring["take"];
  /** A segment could not be read; it is tried again. */
  readonly onUnreadable: () => void;
  /** Segments that could never be read are removed, with however many reports they held. */
  readonly onGiveUp: (segments: number) => void;
}

/** Finds what is there. */
export class Recovery {
  readonly #options: RecoveryOptions;
  /** Of segments that have not been read, the next to try first; undefined until the directory could be listed. */
  #unread: number[] | undefined;
  /** Monotonic times when what is unread is tried again, and when it is given up, ns. */
  #retryNs = 0;
  #giveUpNs = 0;
  #lastNumber = 0;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** Reads what can be read. Rejects with the system's error when the directory cannot be had. */
  async open(): Promise<void> {
    const unread = await this.#list();
    let known = new Set<string>();
    for (const number of unread.splice(0)) {
      // One unreadable segment does not hide the others.
      if (!(await this.#load(number, known, false))) unread.push(number);
      // What the ring has dropped since need not be known.
      if (known.size > 2 * SPOOL_MAX_RECORDS) known = this.#held();
    }
    this.#retryLater();
  }

  /** Tries again, when it is time, what could not be read. Never rejects on what a disk may do. */
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

  /** Has the directory, and gives a number above every segment's in it. Rejects with the system's error. */
  async newNumber(): Promise<number> {
    await this.#list();
    this.#lastNumber += 1;
    return this.#lastNumber;
  }

  /** Another directory is in the place of the one that was listed: what is in it is found as what could not be read. */
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

  /** Whether a segment was read, or is there no more. */
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
