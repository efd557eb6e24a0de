/**
 * Keeps one stream to the collector: dial, run, wait, dial again.
 *
 * 1. Each dial has a channel of its own, so that no broken connection is reused and our backoff is the only one.
 * 2. Waits have full jitter. They start again from the shortest once a stream has lasted {@link LIVED_MS} (P1).
 * 3. Reporting goes to the collector's own address and does not need the tunnel it reports on (U3).
 */
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import type { ChannelCredentials } from "@lifeline/rpc";
import { createRpcClient, RpcError, RpcStatus } from "@lifeline/rpc";
import { reportPb } from "@lifeline/wire";
import type { Spool } from "../spool/spool.ts";
import { backoffMs } from "./backoff.ts";
import type { HelloInit } from "./hello.ts";
import { Notifier } from "./notifier.ts";
import { NO_PROGRESS_MS, runStream, type StreamCall, type StreamEnd, type StreamEvents } from "./stream.ts";

/** After a stream that was answered and lasted this long, ms, the next wait is a short one. */
const LIVED_MS = 10_000;

/**
 * grpc-js's keepalive: a ping every 20 s, as often as a load balancer's shortest usual idle timeout (60 s) allows with
 * room, and 5 s for its answer. Each dial has its own subchannel, so grpc-js never reconnects by itself.
 */
const CHANNEL_OPTIONS = {
  "grpc.keepalive_time_ms": 20_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.keepalive_permit_without_calls": 0,
  "grpc.use_local_subchannel_pool": 1,
};

/** Why a dial ended, in a word: the name of a gRPC status, or what this side found. */
export type EndWord = "closed" | "half-open" | "credentials" | keyof typeof RpcStatus;

/** What an uplink reports. */
export interface UplinkEvents {
  readonly connected: () => void;
  /** `detail` is the collector's or the transport's text, for people. */
  readonly disconnected: (word: EndWord, detail: string, retryInMs: number) => void;
  readonly plan: (plan: reportPb.Plan) => void;
  readonly refused: (refusal: reportPb.Refusal) => void;
}

/** What an {@link Uplink} needs. */
export interface UplinkOptions {
  /** host:port. */
  readonly collector: string;
  /** Credentials of the next dial. Takes how the last dial ended. */
  readonly credentials: (lastEnd: EndWord | undefined) => Promise<ChannelCredentials>;
  readonly hello: () => HelloInit;
  readonly spool: Spool;
  readonly clock: Clock;
  readonly random: () => number;
  readonly events: UplinkEvents;
  /** Default {@link NO_PROGRESS_MS}. */
  readonly noProgressMs?: number;
  /** Default HELLO_CHECK_MS. */
  readonly helloCheckMs?: number;
}

/** How a dial ended: before there was a stream, or as the stream did. */
type DialEnd = StreamEnd | { readonly kind: "credentials"; readonly detail: string };

/** Counters since the start. */
export interface UplinkStats {
  readonly connected: boolean;
  readonly dials: number;
  readonly ackedReports: number;
  readonly refusedReports: number;
  /** Flow-control notices: the collector holds reports back. */
  readonly flowControlNotices: number;
  /** Keys the collector named that were not in flight. */
  readonly unknownKeys: number;
  /** Hellos sent again on an open stream because the node's facts had changed. */
  readonly rehellos: number;
}

/** The connection to the collector. Dials as soon as it is made. */
export class Uplink {
  readonly #options: UplinkOptions;
  readonly #clock: Clock;
  readonly #notifier: Notifier;
  readonly #settled: Notifier;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  readonly #stats = {
    connected: false,
    dials: 0,
    ackedReports: 0,
    refusedReports: 0,
    flowControlNotices: 0,
    unknownKeys: 0,
    rehellos: 0,
  };
  /** Aborts to end the wait before the next dial. */
  #hurry = new AbortController();
  #call: StreamCall | undefined;
  #finishing = new AbortController();
  #isRedialling = false;

  /** `onDefect` is called when the uplink ends by a defect. */
  constructor(options: UplinkOptions, onDefect: (error: unknown) => void) {
    this.#options = options;
    this.#clock = options.clock;
    this.#notifier = new Notifier(options.clock);
    this.#settled = new Notifier(options.clock);
    this.#running = this.#run();
    this.#running.catch(onDefect);
  }

  /** To be called when a report was spooled. */
  wake(): void {
    this.#notifier.notify();
  }

  /** Resolves when every report of this start is settled, or after `graceMs`. Dials at once if it waits to dial. */
  async flush(graceMs: number): Promise<void> {
    const untilNs = this.#clock.monotonicNs() + graceMs * NS_PER_MS;
    this.#hurry.abort();
    this.#hurry = new AbortController();
    this.#notifier.notify();
    while (this.#options.spool.stats().heldOfThisBoot > 0) {
      const leftMs = (untilNs - this.#clock.monotonicNs()) / NS_PER_MS;
      if (leftMs <= 0) return;
      await this.#settled.wait(leftMs);
    }
  }

  /** Counters since the start. */
  stats(): UplinkStats {
    return { ...this.#stats };
  }

  /**
   * Ends the stream once what is in flight is acknowledged, or `noProgressMs` later, and dials again with the
   * credentials of then.
   */
  redial(): void {
    if (this.#call === undefined) return;
    this.#isRedialling = true;
    this.#finishing.abort();
    this.#notifier.notify();
  }

  /** Ends the stream and dials no more. Rejects with the defect that ended the uplink, if one did. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#call?.cancel();
    this.#notifier.notify();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    let failures = 0;
    let lastEnd: EndWord | undefined;
    while (!signal.aborted) {
      const startedNs = this.#clock.monotonicNs();
      this.#stats.dials += 1;
      const ended = describe(await this.#dial(lastEnd));
      lastEnd = ended.word;
      const lived = this.#stats.connected && this.#clock.monotonicNs() - startedNs >= LIVED_MS * NS_PER_MS;
      this.#stats.connected = false;
      if (signal.aborted) return;
      if (this.#isRedialling) {
        this.#isRedialling = false;
        continue;
      }
      failures = lived ? 0 : failures + 1;
      const waitMs = backoffMs(failures - (lived ? 0 : 1), this.#options.random);
      this.#options.events.disconnected(ended.word, ended.detail, waitMs);
      await pause(this.#clock, waitMs, AbortSignal.any([signal, this.#hurry.signal]));
    }
  }

  async #dial(lastEnd: EndWord | undefined): Promise<DialEnd> {
    const { collector, hello, helloCheckMs, spool, noProgressMs = NO_PROGRESS_MS } = this.#options;
    const credentials = await this.#options.credentials(lastEnd).catch(unusable);
    if ("kind" in credentials) return credentials;
    const client = createRpcClient(reportPb.ReportService, collector, credentials, CHANNEL_OPTIONS);
    try {
      const call = client.duplex("stream") as StreamCall;
      this.#call = call;
      this.#finishing = new AbortController();
      if (this.#stopping.signal.aborted) call.cancel();
      return await runStream({
        call,
        hello,
        ...(helloCheckMs === undefined ? {} : { helloCheckMs }),
        spool,
        clock: this.#clock,
        notifier: this.#notifier,
        noProgressMs,
        finishing: this.#finishing.signal,
        events: this.#streamEvents(),
      });
    } finally {
      this.#call = undefined;
      client.close();
    }
  }

  #streamEvents(): StreamEvents {
    const { events } = this.#options;
    const stats = this.#stats;
    return {
      opened() {
        stats.connected = true;
        events.connected();
      },
      plan: events.plan,
      acked: (reports) => {
        stats.ackedReports += reports;
        this.#settled.notify();
      },
      refused: (refusal) => {
        stats.refusedReports += 1;
        events.refused(refusal);
        this.#settled.notify();
      },
      flowControl() {
        stats.flowControlNotices += 1;
      },
      unknownKey() {
        stats.unknownKeys += 1;
      },
      rehello() {
        stats.rehellos += 1;
      },
    };
  }
}

/** RpcStatus by number. */
const STATUS_NAMES = new Map<number, keyof typeof RpcStatus>(
  (Object.entries(RpcStatus) as [keyof typeof RpcStatus, unknown][]).flatMap(([name, code]) =>
    typeof code === "number" ? [[code, name]] : [],
  ),
);

function describe(end: DialEnd): { readonly word: EndWord; readonly detail: string } {
  switch (end.kind) {
    case "closed":
      return { word: "closed", detail: "the collector ended the stream" };
    case "half-open":
      return { word: "half-open", detail: "reports were in flight and none was acknowledged" };
    case "failed":
      return { word: STATUS_NAMES.get(end.error.code) ?? "UNKNOWN", detail: end.error.message };
    case "credentials":
      return { word: "credentials", detail: end.detail };
  }
}

/** A certificate that cannot be read or used yet ends the dial: the next dial reads it again. */
function unusable(error: unknown): DialEnd & { readonly kind: "credentials" | "failed" } {
  // The call that enrols or renews ended as any call may.
  if (error instanceof RpcError) return { kind: "failed", error };
  if (error instanceof Error && "code" in error) return { kind: "credentials", detail: error.message };
  throw error;
}
