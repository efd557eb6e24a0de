/**
 * A connection whose received bytes are passed on in turns; in bounded number until its peer is authenticated.
 *
 * By default Node gives OpenSSL everything a socket receives: OpenSSL verifies a certificate chain before its size can
 * be checked, and works on all that has arrived at once. Here the bytes pass through this process first. This costs
 * some 50 µs for a message and its answer, and 3 KB of heap a connection (BUDGETS.md, Connections).
 */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { RateLimitedScheduler } from "./rate-limited-scheduler.ts";

/**
 * Most bytes that are passed on in a turn. Before authentication: so few that the end of a handshake and what follows
 * it are in different turns. Afterwards: what a TLS record holds (RFC 8446 §5.1).
 */
const SLICE_BYTES = { unauthenticated: 2_048, authenticated: 16_384 };

/** Where a connection's bytes wait for their turn. */
export interface WorkQueue {
  readonly scheduler: Pick<RateLimitedScheduler, "schedule" | "cancel">;
  /** The source whose time they use. */
  readonly source: string;
}

/** What a metered socket needs. */
export interface MeterOptions {
  readonly queue: WorkQueue;
  /** Most bytes that may be passed on by now. Applies until authentication. */
  readonly bytesMax: () => number;
  /** Passes bytes on by calling `push`. `isFirst`: they are the first of the connection. */
  readonly pass: (push: () => void, isFirst: boolean) => void;
  /** The peer has sent more than `bytesMax`. No more bytes are passed on. */
  readonly onExcess: () => void;
}

/** See the head of this file. Takes a paused socket. */
export class MeteredSocket extends Duplex {
  readonly #raw: Socket;
  readonly #options: MeterOptions;
  #queue: WorkQueue;
  #isAuthenticated = false;
  #bytes = 0;
  /** Received and not passed on yet. */
  #waiting: Buffer | undefined;
  #isPassing = false;
  #hasEnded = false;

  constructor(raw: Socket, options: MeterOptions) {
    super();
    this.#raw = raw;
    this.#options = options;
    this.#queue = options.queue;
    // Before TLS begins, nothing listens to errors of the connection; its "close" is enough.
    this.on("error", () => {});
    raw.on("data", (chunk) => this.#receive(chunk));
    raw.once("end", () => {
      this.#hasEnded = true;
      // A paused socket ends, too. Its end must not overtake the bytes that wait.
      if (this.#waiting === undefined) this.push(null);
    });
    raw.on("error", (error) => this.destroy(error));
    raw.once("close", (hadError) => {
      // What an authenticated peer sent before its end is still passed on.
      const hasBytesDue = this.#isAuthenticated && this.#hasEnded && this.#waiting !== undefined && !hadError;
      if (hasBytesDue) this.once("end", () => this.destroy());
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

  /** The peer is authenticated: from now on its bytes wait in that queue, and their number is not bounded. */
  authenticate(queue: WorkQueue): void {
    this.#queue.scheduler.cancel(this.#queue.source, this.#work);
    this.#queue = queue;
    this.#isAuthenticated = true;
    // Within a turn, the slice that is being passed on comes first.
    if (this.#waiting !== undefined && !this.#isPassing) this.#schedule();
  }

  #receive(chunk: Buffer): void {
    this.#waiting = chunk;
    this.#schedule();
    // Bytes that were passed on at once, and found room, need no pause.
    if (this.#waiting !== undefined) this.#raw.pause();
  }

  #schedule(): void {
    this.#queue.scheduler.schedule(this.#queue.source, this.hasBegun, this.#work);
  }

  readonly #work = (): void => {
    const chunk = this.#waiting;
    if (chunk === undefined || this.destroyed) return;
    const { bytesMax, pass, onExcess } = this.#options;
    const slice = chunk.subarray(0, this.#isAuthenticated ? SLICE_BYTES.authenticated : SLICE_BYTES.unauthenticated);
    if (!this.#isAuthenticated && this.#bytes + slice.length > bytesMax()) {
      this.#waiting = undefined;
      onExcess();
      return;
    }
    const isFirst = !this.hasBegun;
    this.#bytes += slice.length;
    this.#waiting = chunk.length > slice.length ? chunk.subarray(slice.length) : undefined;
    this.#isPassing = true;
    let hasRoom = true;
    pass(() => {
      hasRoom = this.push(slice);
    }, isFirst);
    this.#isPassing = false;
    if (this.#waiting !== undefined) this.#schedule();
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
    this.#queue.scheduler.cancel(this.#queue.source, this.#work);
    this.#waiting = undefined;
    this.#raw.destroy();
    done(error);
  }
}
