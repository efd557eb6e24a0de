/**
 * A connection whose bytes are passed on in turns, and in bounded number until its peer has proven who it is.
 *
 * Node hands what a socket receives to OpenSSL by itself: a chain of certificates is verified before anybody could look at its size, and as
 * much is worked on at once as was received. Here the bytes go through this process first. It costs some 50 µs for a message and its answer, and 3 KB
 * of heap a connection (BUDGETS.md, Connections).
 */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { WorkBudget } from "./work-budget.ts";

/**
 * Most bytes that are passed on in a turn. While nothing is proven: so few that the last of a handshake, and whatever follows it, are in
 * different turns. Afterwards: what a TLS record holds (RFC 8446 §5.1).
 */
const SLICE_BYTES = { unproven: 2_048, proven: 16_384 };

/** Whose turns a connection's bytes wait for. */
export interface Lane {
  readonly budget: Pick<WorkBudget, "ask" | "giveUp">;
  /** Whose allowance its work is taken from. */
  readonly source: string;
}

/** What a metered socket needs. */
export interface MeterOptions {
  readonly lane: Lane;
  /** Most bytes that may be passed on by now, until it is moved to another lane. */
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
  #lane: Lane;
  #isProven = false;
  #bytes = 0;
  /** Received, and not passed on yet. */
  #waiting: Buffer | undefined;
  #isAtWork = false;
  #hasEnded = false;

  constructor(raw: Socket, options: MeterOptions) {
    super();
    this.#raw = raw;
    this.#options = options;
    this.#lane = options.lane;
    // Whoever listens to the connection is told of its errors. Before TLS begins that is nobody, and its close says enough.
    this.on("error", () => {});
    raw.on("data", (chunk) => this.#receive(chunk));
    raw.once("end", () => {
      this.#hasEnded = true;
      // A socket that is paused ends all the same, and its end must not overtake what waits.
      if (this.#waiting === undefined) this.push(null);
    });
    raw.on("error", (error) => this.destroy(error));
    raw.once("close", (hadError) => {
      // What a peer that has proven itself sent before its end is passed on all the same.
      const isStillDue = this.#isProven && this.#hasEnded && this.#waiting !== undefined && !hadError;
      if (isStillDue) this.once("end", () => this.destroy());
      else this.destroy();
    });
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

  /** Its peer has proven who it is: from now on its bytes wait for the turns of that lane, and their number is not bounded. */
  prove(lane: Lane): void {
    this.#lane.budget.giveUp(this.#lane.source, this.#work);
    this.#lane = lane;
    this.#isProven = true;
    // Within a turn the slice that is being passed on comes first.
    if (this.#waiting !== undefined && !this.#isAtWork) this.#ask();
  }

  #receive(chunk: Buffer): void {
    this.#waiting = chunk;
    this.#ask();
    // What had its turn at once, and found room, needs no pause.
    if (this.#waiting !== undefined) this.#raw.pause();
  }

  #ask(): void {
    this.#lane.budget.ask(this.#lane.source, this.hasBegun, this.#work);
  }

  readonly #work = (): void => {
    const chunk = this.#waiting;
    if (chunk === undefined || this.destroyed) return;
    const { bytesMax, pass, onExcess } = this.#options;
    const slice = chunk.subarray(0, this.#isProven ? SLICE_BYTES.proven : SLICE_BYTES.unproven);
    if (!this.#isProven && this.#bytes + slice.length > bytesMax()) {
      this.#waiting = undefined;
      onExcess();
      return;
    }
    const isFirst = !this.hasBegun;
    this.#bytes += slice.length;
    this.#waiting = chunk.length > slice.length ? chunk.subarray(slice.length) : undefined;
    this.#isAtWork = true;
    let hasRoom = true;
    pass(() => {
      hasRoom = this.push(slice);
    }, isFirst);
    this.#isAtWork = false;
    if (this.#waiting !== undefined) this.#ask();
    else if (this.#hasEnded) this.push(null);
    else if (!hasRoom) this.#raw.pause();
    else if (this.#raw.isPaused()) this.#raw.resume();
  };

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
    this.#lane.budget.giveUp(this.#lane.source, this.#work);
    this.#waiting = undefined;
    this.#raw.destroy();
    done(error);
  }
}
