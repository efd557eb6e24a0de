/**
 * How long an answer may stay unread. HTTP/2's flow control lets a caller ask and never read. The answer and its stream stay in memory; a
 * status does not end them, because it queues behind the answer.
 */
import type { Clock, Timer } from "@lifeline/measure";

/**
 * How long one message, or the end of the call, may wait to be taken, ms: as long as it takes to miss a connection that is gone
 * (keepalive), within which 3 MiB arrive at 320 kbit/s.
 */
export const ANSWER_WITHIN_MS = 80_000;

/** CANCEL: the stream is not wanted any more (RFC 9113 §7). */
const RESET_CANCEL = 8;

/** As much of a stream of node:http2 as is needed. */
export interface ResettableStream {
  readonly closed: boolean;
  readonly headersSent: boolean;
  close(code: number): void;
  once(event: "close" | "finish" | "wantTrailers", listener: () => void): unknown;
}

/** Watches one call; resets its stream when nothing of what was sent is taken in time. */
export class AnswerDeadline {
  readonly #stream: ResettableStream;
  readonly #clock: Pick<Clock, "after">;
  readonly #onUnread: () => void;
  #waiting = 0;
  #timer: Timer | undefined;

  constructor(stream: ResettableStream, clock: Pick<Clock, "after">, onUnread: () => void) {
    this.#stream = stream;
    this.#clock = clock;
    this.#onUnread = onUnread;
    stream.once("close", () => this.#timer?.cancel());
  }

  /** Something more was sent. */
  sent(): void {
    this.#waiting += 1;
    if (this.#waiting === 1) this.#restart();
  }

  /** One of it was taken: the next has its own time. */
  taken(): void {
    this.#waiting -= 1;
    this.#timer?.cancel();
    if (this.#waiting > 0) this.#restart();
  }

  #restart(): void {
    this.#timer?.cancel();
    if (this.#stream.closed) return;
    this.#timer = this.#clock.after(ANSWER_WITHIN_MS, () => {
      this.#onUnread();
      this.#stream.close(RESET_CANCEL);
    });
  }
}
