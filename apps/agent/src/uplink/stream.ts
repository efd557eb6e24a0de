/**
 * One stream to the collector, from hello to its end.
 *
 * 1. A report leaves the spool only when the collector acknowledges it, or refuses it for good (U1).
 * 2. A stream on which reports are in flight and nothing is acknowledged for {@link NO_PROGRESS_MS} is half-open: it is
 *    cancelled. An acknowledgement of no report is a flow-control notice: the collector holds the reports back, and a
 *    new stream would not help. A stream that is finishing is cancelled after that time in any case, because live
 *    reports wait for the next stream.
 * 3. When the facts of the hello have changed, the hello is sent again on this stream (re-hello), at most every {@link
 *    HELLO_CHECK_MS}.
 * 4. A key in a response that is not in flight is counted and otherwise ignored.
 */
import { type Clock, NS_PER_MS, type Timer } from "@lifeline/measure";
import { type DuplexCall, RpcError } from "@lifeline/rpc";
import type { reportPb } from "@lifeline/wire";
import type { Spool } from "../spool/spool.ts";
import { factsText, type HelloInit } from "./hello.ts";
import type { Notifier } from "./notifier.ts";
import { type InFlight, Sending } from "./sending.ts";

/** Longest time without an acknowledgement while reports are in flight, ms: two windows. */
export const NO_PROGRESS_MS = 20_000;

/** How often the node's facts are read, ms: a tunnel that comes up is measured within this and a plan's round trip. */
export const HELLO_CHECK_MS = 5_000;

/** How often a stream is checked for progress: so many times within the limit. */
const CHECKS_PER_LIMIT = 20;

/** The messages that go up and come down. */
export type StreamCall = DuplexCall<StreamRequestInit, reportPb.StreamResponse>;

interface StreamRequestInit {
  readonly message:
    | { readonly case: "hello"; readonly value: HelloInit & Dated }
    | { readonly case: "report"; readonly value: ReportInit & Dated };
}

interface ReportInit {
  readonly bootId: Uint8Array;
  readonly sequence: bigint;
  readonly report: Uint8Array;
}

/** This node's clock, which the collector compares with its own. */
interface Dated {
  readonly sentUnixMs: bigint;
}

/** What a stream reports to its owner. */
export interface StreamEvents {
  /** The collector has sent its first message: the stream is up. */
  readonly opened: () => void;
  readonly plan: (plan: reportPb.Plan) => void;
  readonly acked: (reports: number) => void;
  readonly refused: (refusal: reportPb.Refusal) => void;
  /** The collector holds reports back. */
  readonly flowControl: () => void;
  /** The collector named a report that is not in flight. */
  readonly unknownKey: () => void;
  /** The hello was sent again because the node's facts had changed. */
  readonly rehello: () => void;
}

/** What a stream needs. */
export interface StreamOptions {
  readonly call: StreamCall;
  /** The hello of now. */
  readonly hello: () => HelloInit;
  /** Default {@link HELLO_CHECK_MS}. */
  readonly helloCheckMs?: number;
  readonly spool: Spool;
  readonly clock: Clock;
  /** Notified when a report was spooled. */
  readonly notifier: Notifier;
  readonly events: StreamEvents;
  readonly noProgressMs: number;
  /**
   * Aborts when nothing more is to be sent: the stream ends when what is in flight is settled, or `noProgressMs` later.
   */
  readonly finishing?: AbortSignal;
}

/** Why a stream ended; every end is followed by another dial. */
export type StreamEnd =
  | { readonly kind: "closed" }
  | { readonly kind: "failed"; readonly error: RpcError }
  | { readonly kind: "half-open" };

/** Runs a stream until it ends. Rejects only on a defect. */
export function runStream(options: StreamOptions): Promise<StreamEnd> {
  return new ReportStream(options).run();
}

class ReportStream {
  readonly #options: StreamOptions;
  readonly #clock: Clock;
  readonly #sending: Sending;
  readonly #inFlight = new Map<string, InFlight>();
  #hasEnded = false;
  #isHalfOpen = false;
  /** Monotonic time of the latest progress, ns. */
  #progressNs: number;
  #finishingNs: number | undefined;
  #progressTimer: Timer | undefined;
  #factsTimer: Timer | undefined;
  #factsAreDue = false;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#sending = new Sending(options.spool, options.clock);
    this.#progressNs = this.#clock.monotonicNs();
  }

  async run(): Promise<StreamEnd> {
    const { call, notifier } = this.#options;
    this.#checkProgress();
    const writing = this.#write().catch((error: unknown) => {
      // The responses report that the call has ended; anything else is a defect.
      if (!(error instanceof RpcError)) throw error;
    });
    try {
      await Promise.race([this.#read(), writing.then(() => new Promise<never>(() => {}))]);
      return this.#isHalfOpen ? { kind: "half-open" } : { kind: "closed" };
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      return this.#isHalfOpen ? { kind: "half-open" } : { kind: "failed", error };
    } finally {
      this.#hasEnded = true;
      this.#progressTimer?.cancel();
      this.#factsTimer?.cancel();
      call.cancel();
      notifier.notify();
      await writing;
    }
  }

  async #write(): Promise<void> {
    const { call, notifier, hello } = this.#options;
    let facts = await this.#sendHello(hello());
    while (this.#goesOn()) {
      if (this.#factsAreDue) facts = await this.#rehello(facts);
      const step = this.#sending.next(this.#inFlight);
      if (step.kind === "wait") await notifier.wait(step.timeoutMs);
      else await this.#send(step);
    }
    if (!this.#hasEnded) call.finish();
  }

  #goesOn(): boolean {
    return !this.#hasEnded && this.#options.finishing?.aborted !== true;
  }

  async #send({ record, isBacklog }: InFlight): Promise<void> {
    const { call, spool } = this.#options;
    const read = await spool.read(record);
    if (read.kind === "unreadable") this.#sending.postpone(record, isBacklog);
    if (read.kind !== "report" || this.#hasEnded) return;
    if (this.#inFlight.size === 0) this.#progressNs = this.#clock.monotonicNs();
    const { bootId, sequence } = record;
    this.#inFlight.set(keyName(bootId, sequence), { record, isBacklog });
    const value = { bootId, sequence: BigInt(sequence), report: read.payload, sentUnixMs: sentUnixMs(this.#clock) };
    await call.send({ message: { case: "report", value } });
  }

  /** Sends the hello; resolves with its facts. */
  async #sendHello(hello: HelloInit): Promise<string> {
    const value = { ...hello, sentUnixMs: sentUnixMs(this.#clock) };
    await this.#options.call.send({ message: { case: "hello", value } });
    this.#awaitFacts();
    return factsText(hello);
  }

  /** Sends the hello again if its facts are no longer `sent`; resolves with the facts that the collector has then. */
  async #rehello(sent: string): Promise<string> {
    this.#factsAreDue = false;
    const hello = this.#options.hello();
    if (factsText(hello) === sent) {
      this.#awaitFacts();
      return sent;
    }
    const facts = await this.#sendHello(hello);
    this.#options.events.rehello();
    return facts;
  }

  #awaitFacts(): void {
    const { helloCheckMs = HELLO_CHECK_MS, notifier } = this.#options;
    this.#factsTimer = this.#clock.after(helloCheckMs, () => {
      this.#factsAreDue = true;
      notifier.notify();
    });
  }

  #checkProgress(): void {
    const { call, finishing, noProgressMs } = this.#options;
    const nowNs = this.#clock.monotonicNs();
    const limitNs = noProgressMs * NS_PER_MS;
    if (this.#inFlight.size === 0) this.#progressNs = nowNs;
    if (finishing?.aborted === true) this.#finishingNs ??= nowNs;
    this.#isHalfOpen = nowNs - this.#progressNs > limitNs;
    if (this.#isHalfOpen || nowNs - (this.#finishingNs ?? nowNs) > limitNs) call.cancel();
    else this.#progressTimer = this.#clock.after(noProgressMs / CHECKS_PER_LIMIT, () => this.#checkProgress());
  }

  async #read(): Promise<void> {
    const { call, events } = this.#options;
    let isFirst = true;
    for await (const { message } of call.responses) {
      if (isFirst) events.opened();
      isFirst = false;
      switch (message.case) {
        case "plan":
          events.plan(message.value);
          break;
        case "ack":
          this.#acknowledged(message.value.reports);
          break;
        case "refusal":
          if (this.#settle(message.value.report)) events.refused(message.value);
          break;
        case undefined:
          // A message of a newer collector, which this agent need not understand.
          break;
      }
    }
  }

  #acknowledged(keys: readonly reportPb.ReportKey[]): void {
    const { events } = this.#options;
    if (keys.length === 0) {
      this.#progressNs = this.#clock.monotonicNs();
      events.flowControl();
      return;
    }
    events.acked(keys.filter((key) => this.#settle(key)).length);
  }

  /** Releases a report that is in flight; false when it is not. */
  #settle(key: reportPb.ReportKey | undefined): boolean {
    const { events, spool, notifier } = this.#options;
    const name = key === undefined ? "" : keyName(key.bootId, Number(key.sequence));
    const found = this.#inFlight.get(name);
    if (found === undefined) {
      events.unknownKey();
      return false;
    }
    this.#inFlight.delete(name);
    spool.release(found.record);
    this.#progressNs = this.#clock.monotonicNs();
    notifier.notify();
    return true;
  }
}

/** Wall time now as the wire has it: whole milliseconds, and 0 for a clock before 1970. */
function sentUnixMs(clock: Clock): bigint {
  return BigInt(Math.max(0, Math.trunc(clock.wallMs())));
}

function keyName(bootId: Uint8Array, sequence: number): string {
  return `${Buffer.from(bootId).toString("hex")}:${sequence}`;
}
