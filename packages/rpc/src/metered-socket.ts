/**
 * A connection whose bytes are passed on in turns until its peer has proven who it is, and as they come from then on.
 *
 * Node hands what a socket receives to OpenSSL by itself: a chain of certificates is verified before anybody could look at its size. Here the
 * bytes go through this process first. It costs some 25 µs for a message and its answer, and 3 KB of heap (BUDGETS.md, metered connections).
 */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { WorkBudget } from "./work-budget.ts";

/** Most bytes that are passed on in a turn: a handshake's last ones, and whatever follows them, are in different turns. */
const SLICE_BYTES = 2_048;

/** What a metered socket needs. */
export interface MeterOptions {
  readonly budget: Pick<WorkBudget, "ask" | "giveUp">;
  /** Whose allowance its work is taken from. */
  readonly source: string;
  /** Most bytes that may be passed on by now. */
  readonly bytesMax: () => number;
  /** Passes bytes on by calling `push`; `isFirst`: nothing was before. */
  readonly pass: (push: () => void, isFirst: boolean) => void;
  /** It has sent more than `bytesMax`: nothing of it is passed on any more. */
  readonly onExcess: () => void;
}

/** See above. Takes a socket that is paused. */
export class MeteredSocket extends Duplex {
  readonly #raw: Socket;
  readonly #options: MeterOptions;
  #bytes = 0;
  /** Received, and not passed on yet. */
  #waiting: Buffer | undefined;
  #isAtWork = false;
  #isFree = false;

  constructor(raw: Socket, options: MeterOptions) {
    super();
    this.#raw = raw;
    this.#options = options;
    // Whoever listens to the connection is told of its errors. Before TLS begins that is nobody, and its close says enough.
    this.on("error", () => {});
    raw.on("data", (chunk) => this.#receive(chunk));
    raw.once("end", () => this.push(null));
    raw.on("error", (error) => this.destroy(error));
    raw.once("close", () => this.destroy());
    raw.resume();
  }

  /** Whether received bytes wait for their turn. */
  get isWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  /** Whether anything was passed on. */
  get hasBegun(): boolean {
    return this.#bytes > 0;
  }

  /** Passes on all that waits, and from now on whatever comes. */
  free(): void {
    if (this.#isFree) return;
    this.#isFree = true;
    this.#options.budget.giveUp(this.#options.source, this.#work);
    // Within a turn the slice that is being passed on comes first.
    if (!this.#isAtWork) this.#pass();
  }

  #receive(chunk: Buffer): void {
    if (this.#isFree) {
      if (!this.push(chunk)) this.#raw.pause();
      return;
    }
    this.#raw.pause();
    this.#waiting = chunk;
    this.#ask();
  }

  #ask(): void {
    const { budget, source } = this.#options;
    budget.ask(source, this.hasBegun, this.#work);
  }

  readonly #work = (): void => {
    const chunk = this.#waiting;
    if (chunk === undefined || this.destroyed) return;
    const { bytesMax, pass, onExcess } = this.#options;
    const slice = chunk.subarray(0, SLICE_BYTES);
    if (this.#bytes + slice.length > bytesMax()) {
      this.#waiting = undefined;
      onExcess();
      return;
    }
    const isFirst = !this.hasBegun;
    this.#bytes += slice.length;
    this.#waiting = chunk.length > slice.length ? chunk.subarray(slice.length) : undefined;
    this.#isAtWork = true;
    pass(() => this.push(slice), isFirst);
    this.#isAtWork = false;
    if (this.#isFree || this.#waiting === undefined) this.#pass();
    else this.#ask();
  };

  /** Passes on what waits, whole, and reads on. */
  #pass(): void {
    const chunk = this.#waiting;
    this.#waiting = undefined;
    if (chunk === undefined || this.push(chunk)) this.#raw.resume();
  }

  override _read(): void {
    if (this.#waiting === undefined) this.#raw.resume();
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#raw.write(chunk, done);
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#raw.cork();
    for (const [at, { chunk }] of chunks.entries()) this.#raw.write(chunk, at === chunks.length - 1 ? done : undefined);
    this.#raw.uncork();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#raw.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#options.budget.giveUp(this.#options.source, this.#work);
    this.#waiting = undefined;
    this.#raw.destroy();
    done(error);
  }
}
