/**
 * Keeps one stream to the collector, for ever: dial, run, wait, dial again.
 *
 * 1. Each dial has a channel of its own, so that a broken connection is never inherited and our backoff is the only one.
 * 2. Waits have full jitter and start over once a stream has lived (P1).
 * 3. Reporting goes to the collector's own address, and needs nothing of the tunnel it reports on (U3).
 */
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import type { ChannelCredentials } from "@lifeline/rpc";
import { createRpcClient, RpcError, RpcStatus } from "@lifeline/rpc";
import { reportPb } from "@lifeline/wire";
import type { Spool } from "../spool/spool.ts";
import { backoffMs } from "./backoff.ts";
import type { HelloInit } from "./hello.ts";
import { createBell } from "./notifier.ts";
import { NO_PROGRESS_MS, runStream, type StreamCall, type StreamEnd } from "./stream.ts";

/** A stream that was answered and lasted so long has lived: the next wait is a short one, ms. */
export const LIVED_MS = 10_000;

/**
 * grpc-js's keepalive: a ping every 20 s, as often as a load balancer's shortest usual idle timeout (60 s) allows with room,
 * and 5 s for its answer. One subchannel for each dial; its own reconnecting is left with nothing to do.
 */
const CHANNEL_OPTIONS = {
  "grpc.keepalive_time_ms": 20_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.keepalive_permit_without_calls": 0,
  "grpc.use_local_subchannel_pool": 1,
};

/** Why a dial ended, in a word: a gRPC status by name, or what was seen from here. */
export type EndWord = "closed" | "half-open" | "credentials" | keyof typeof RpcStatus;

/** What an uplink tells. */
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
  /** What to prove oneself with on the next dial; told how the last one ended. */
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
  /** Keys the collector named that were not on their way. */
  readonly strangeKeys: number;
  /** Hellos said again on an open stream, for the node's facts had changed. */
  readonly retoldHellos: number;
}

/** The way to the collector. */
export interface Uplink {
  /** Says that a report was spooled. */
  wake(): void;
  /** Resolves when every report of this start is settled, or after `graceMs`. Dials at once if it waits to dial. */
  flush(graceMs: number): Promise<void>;
  stats(): UplinkStats;
  /** Ends the stream once what is on its way is acknowledged, or `noProgressMs` later, and dials again at once, with the credentials of then. */
  redial(): void;
  /** Ends the stream and dials no more. Rejects with the defect that ended the uplink, if one did. */
  stop(): Promise<void>;
}

/** Starts dialling. `onDefect` is called when the uplink ends by a defect of its own. */
export function startUplink(options: UplinkOptions, onDefect: (error: unknown) => void): Uplink {
  const { clock, spool, events } = options;
  const bell = createBell(clock);
  const flushed = createBell(clock);
  const stopping = new AbortController();
  let hurry = new AbortController();
  let call: StreamCall | undefined;
  let finishing = new AbortController();
  let redialling = false;
  let stats: UplinkStats = {
    connected: false,
    dials: 0,
    ackedReports: 0,
    refusedReports: 0,
    strangeKeys: 0,
    retoldHellos: 0,
  };
  const set = (changed: Partial<UplinkStats>) => {
    stats = { ...stats, ...changed };
  };

  const dial = async (lastEnd: EndWord | undefined): Promise<DialEnd> => {
    const credentials = await options.credentials(lastEnd).catch(unusable);
    if ("kind" in credentials) return credentials;
    const client = createRpcClient(reportPb.ReportService, options.collector, credentials, CHANNEL_OPTIONS);
    try {
      call = client.duplex("stream") as StreamCall;
      finishing = new AbortController();
      if (stopping.signal.aborted) call.cancel();
      return await runStream({
        call,
        hello: options.hello,
        ...(options.helloCheckMs === undefined ? {} : { helloCheckMs: options.helloCheckMs }),
        spool,
        clock,
        bell,
        noProgressMs: options.noProgressMs ?? NO_PROGRESS_MS,
        finishing: finishing.signal,
        events: {
          opened() {
            set({ connected: true });
            events.connected();
          },
          plan: events.plan,
          acked(reports) {
            set({ ackedReports: stats.ackedReports + reports });
            flushed.ring();
          },
          refused(refusal) {
            set({ refusedReports: stats.refusedReports + 1 });
            events.refused(refusal);
            flushed.ring();
          },
          strange: () => set({ strangeKeys: stats.strangeKeys + 1 }),
          retold: () => set({ retoldHellos: stats.retoldHellos + 1 }),
        },
      });
    } finally {
      call = undefined;
      client.close();
    }
  };

  const loop = async () => {
    let failures = 0;
    let lastEnd: EndWord | undefined;
    while (!stopping.signal.aborted) {
      const startedNs = clock.monotonicNs();
      set({ dials: stats.dials + 1 });
      const ended = describe(await dial(lastEnd));
      lastEnd = ended.word;
      const lived = stats.connected && clock.monotonicNs() - startedNs >= LIVED_MS * NS_PER_MS;
      set({ connected: false });
      if (stopping.signal.aborted) return;
      if (redialling) {
        redialling = false;
        continue;
      }
      failures = lived ? 0 : failures + 1;
      const waitMs = backoffMs(failures - (lived ? 0 : 1), options.random);
      events.disconnected(ended.word, ended.detail, waitMs);
      await pause(clock, waitMs, AbortSignal.any([stopping.signal, hurry.signal]));
    }
  };
  const running = loop();
  running.catch(onDefect);

  return {
    wake: () => bell.ring(),
    async flush(graceMs) {
      const untilNs = clock.monotonicNs() + graceMs * NS_PER_MS;
      hurry.abort();
      hurry = new AbortController();
      bell.ring();
      while (spool.stats().heldOfThisBoot > 0) {
        const leftMs = (untilNs - clock.monotonicNs()) / NS_PER_MS;
        if (leftMs <= 0) return;
        await flushed.wait(leftMs);
      }
    },
    stats: () => stats,
    redial() {
      if (call === undefined) return;
      redialling = true;
      finishing.abort();
      bell.ring();
    },
    async stop() {
      stopping.abort();
      call?.cancel();
      bell.ring();
      await running;
    },
  };
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
      return { word: "half-open", detail: "reports were outstanding and none was acknowledged" };
    case "failed":
      return { word: STATUS_NAMES.get(end.error.code) ?? "UNKNOWN", detail: end.error.message };
    case "credentials":
      return { word: "credentials", detail: end.detail };
  }
}

/** A certificate that cannot be read or used is waited for: it may be on its way. */
function unusable(error: unknown): DialEnd & { readonly kind: "credentials" | "failed" } {
  // The call that would have gained them ended as any call does.
  if (error instanceof RpcError) return { kind: "failed", error };
  if (error instanceof Error && "code" in error) return { kind: "credentials", detail: error.message };
  throw error;
}
