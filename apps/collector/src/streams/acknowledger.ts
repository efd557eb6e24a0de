/** Acknowledges reports to one agent. */
import type { Send } from "./report-stream.ts";

/** Names one report. */
export interface ReportKey {
  readonly bootId: Uint8Array;
  readonly sequence: bigint;
}

/**
 * All reports that one transaction made durable go in one message: its promises resolve within one turn of the event
 * loop.
 */
export class Acknowledger {
  readonly #send: Send;
  #waiting: ReportKey[] = [];
  #sending: Promise<void> = Promise.resolve();

  constructor(send: Send) {
    this.#send = send;
  }

  /** Resolves when the message is on its way; rejects when the call has ended. */
  acknowledge(report: ReportKey): Promise<void> {
    this.#waiting.push(report);
    if (this.#waiting.length === 1) this.#sending = this.#sendWaiting();
    return this.#sending;
  }

  async #sendWaiting(): Promise<void> {
    await Promise.resolve();
    const reports = this.#waiting;
    this.#waiting = [];
    await this.#send({ message: { case: "ack", value: { reports } } });
  }
}
