/**
 * How long an answer may stay unread. HTTP/2's flow control lets a caller send a request and never read the answer,
 * which then stays in memory with its stream. A status does not end the stream, because it is queued behind the answer.
 */
import { constants } from "node:http2";
import type { Clock, Timer } from "@lifeline/measure";

/**
 * How long one message, or the end of the call, may stay unread, ms: as long as keepalive takes to detect a connection
 * that is gone. 3 MiB arrive in that time at 320 kbit/s.
 */
export const ANSWER_TIMEOUT_MS = 80_000;

/** The part of a node:http2 stream that is used here. */
export interface ResettableStream {
  readonly closed: boolean;
  readonly headersSent: boolean;
  close(code: number): void;
  once(event: "close" | "finish" | "wantTrailers", listener: () => void): unknown;
}

/** Watches one call. Resets its stream when the caller reads nothing for {@link ANSWER_TIMEOUT_MS}. */
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

  /** One more message, or the status, was sent. */
  sent(): void {
    this.#waiting += 1;
    if (this.#waiting === 1) this.#restart();
  }

  /** The caller has read one of them: the time of the next begins. */
  read(): void {
    this.#waiting -= 1;
    this.#timer?.cancel();
    if (this.#waiting > 0) this.#restart();
  }

  #restart(): void {
    this.#timer?.cancel();
    if (this.#stream.closed) return;
    this.#timer = this.#clock.after(ANSWER_TIMEOUT_MS, () => {
      this.#onUnread();
      this.#stream.close(constants.NGHTTP2_CANCEL);
    });
  }
}
