/**
 * One stream to the collector, from hello to its end.
 *
 * 1. A report leaves the spool only when the collector acknowledges it, or refuses it for good (U1).
 * 2. A stream on which reports are outstanding and nothing is acknowledged for {@link NO_PROGRESS_MS} is half-open: it is cut. An
 *    acknowledgement of none says that the collector holds them back: to come again would bring nothing. One that is finishing is cut
 *    after that time whatever it says: live reports wait for the next stream.
 * 3. When what a hello would say has changed, it is said again on this stream, at most every {@link HELLO_CHECK_MS}.
 * 4. What the collector says of reports that are not on their way is counted and otherwise ignored.
 */
import { type Clock, NS_PER_MS, type Timer } from "@lifeline/measure";
import { type DuplexCall, RpcError } from "@lifeline/rpc";
import type { reportPb } from "@lifeline/wire";
import type { Spool } from "../spool/spool.ts";
import { factsText, type HelloInit } from "./hello.ts";
import type { Bell } from "./notifier.ts";
import { createSending, type InFlight } from "./sending.ts";

/** Longest without an acknowledgement while reports are outstanding, ms: two windows. */
export const NO_PROGRESS_MS = 20_000;

/** How often the node's facts are looked at, ms: a tunnel that comes up is measured within this and a plan's way back. */
export const HELLO_CHECK_MS = 5_000;

/** How often a stream is looked at for progress, as a share of the limit. */
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

/** What tells the collector this node's clock from its own. */
interface Dated {
  readonly sentUnixMs: bigint;
}

/** What a stream tells its owner. */
export interface StreamEvents {
  /** The collector spoke for the first time: the stream is up. */
  readonly opened: () => void;
  readonly plan: (plan: reportPb.Plan) => void;
  readonly acked: (reports: number) => void;
  readonly refused: (refusal: reportPb.Refusal) => void;
  /** The collector named a report that is not on its way. */
  readonly strange: () => void;
  /** A hello was said again, for the node's facts had changed. */
  readonly retold: () => void;
}

/** What a stream needs. */
export interface StreamOptions {
  readonly call: StreamCall;
  /** What there is to say of the node now. */
  readonly hello: () => HelloInit;
  /** Default {@link HELLO_CHECK_MS}. */
  readonly helloCheckMs?: number;
  readonly spool: Spool;
  readonly clock: Clock;
  /** Rung when a report was spooled. */
  readonly bell: Bell;
  readonly events: StreamEvents;
  readonly noProgressMs: number;
  /** Aborts when nothing more is to be sent: the stream ends when what is on its way is settled, or `noProgressMs` later. */
  readonly finishing?: AbortSignal;
}

/** Why a stream ended; every end is followed by another dial. */
export type StreamEnd =
  | { readonly kind: "closed" }
  | { readonly kind: "failed"; readonly error: RpcError }
  | { readonly kind: "half-open" };

/** Runs a stream until it ends. Rejects only on a defect. */
export async function runStream(options: StreamOptions): Promise<StreamEnd> {
  const { call, clock, bell, noProgressMs, helloCheckMs = HELLO_CHECK_MS } = options;
  const inFlight = new Map<string, InFlight>();
  let ended = false;
  let halfOpen = false;
  let progressNs = clock.monotonicNs();
  let finishingNs: number | undefined;
  let timer: Timer | undefined;
  let factsTimer: Timer | undefined;
  let factsAreDue = false;

  const settle = (key: reportPb.ReportKey | undefined): boolean => {
    const name = key === undefined ? "" : keyName(key.bootId, Number(key.sequence));
    const found = inFlight.get(name);
    if (found === undefined) {
      options.events.strange();
      return false;
    }
    inFlight.delete(name);
    options.spool.release(found.record);
    progressNs = clock.monotonicNs();
    bell.ring();
    return true;
  };

  const heldBack = () => {
    progressNs = clock.monotonicNs();
  };

  const watch = () => {
    const nowNs = clock.monotonicNs();
    const limitNs = noProgressMs * NS_PER_MS;
    if (inFlight.size === 0) progressNs = nowNs;
    if (options.finishing?.aborted === true) finishingNs ??= nowNs;
    halfOpen = nowNs - progressNs > limitNs;
    if (halfOpen || nowNs - (finishingNs ?? nowNs) > limitNs) call.cancel();
    else timer = clock.after(noProgressMs / CHECKS_PER_LIMIT, watch);
  };

  const awaitFacts = () => {
    factsTimer = clock.after(helloCheckMs, () => {
      factsAreDue = true;
      bell.ring();
    });
  };

  const sayHello = async (hello: HelloInit) => {
    await call.send({ message: { case: "hello", value: { ...hello, sentUnixMs: sentUnixMs(clock) } } });
    awaitFacts();
    return factsText(hello);
  };

  /** Says hello again if there is something new to say; gives what is told by then. */
  const retell = async (told: string): Promise<string> => {
    factsAreDue = false;
    const hello = options.hello();
    if (factsText(hello) === told) {
      awaitFacts();
      return told;
    }
    const retold = await sayHello(hello);
    options.events.retold();
    return retold;
  };

  const goesOn = () => !ended && options.finishing?.aborted !== true;
  const write = async () => {
    const sending = createSending(options.spool, clock);
    let told = await sayHello(options.hello());
    while (goesOn()) {
      if (factsAreDue) told = await retell(told);
      const step = sending.next(inFlight);
      if (step.kind === "wait") {
        await bell.wait(step.timeoutMs);
        continue;
      }
      const { record, isBacklog } = step;
      const read = await options.spool.read(record);
      if (read.kind === "unreadable") sending.postpone(record, isBacklog);
      if (read.kind !== "report" || ended) continue;
      if (inFlight.size === 0) progressNs = clock.monotonicNs();
      const { bootId, sequence } = record;
      inFlight.set(keyName(bootId, sequence), { record, isBacklog });
      const value = { bootId, sequence: BigInt(sequence), report: read.payload, sentUnixMs: sentUnixMs(clock) };
      await call.send({ message: { case: "report", value } });
    }
    if (!ended) call.finish();
  };

  watch();
  const writing = write().catch((error: unknown) => {
    // That the call has ended is told by its responses; anything else is a defect.
    if (!(error instanceof RpcError)) throw error;
  });
  try {
    await Promise.race([readResponses(options, settle, heldBack), writing.then(() => new Promise<never>(() => {}))]);
    return halfOpen ? { kind: "half-open" } : { kind: "closed" };
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    return halfOpen ? { kind: "half-open" } : { kind: "failed", error };
  } finally {
    ended = true;
    timer?.cancel();
    factsTimer?.cancel();
    call.cancel();
    bell.ring();
    await writing;
  }
}

/** Wall time now as the wire holds it: whole, and 0 for a clock that stands before 1970. */
function sentUnixMs(clock: Clock): bigint {
  return BigInt(Math.max(0, Math.trunc(clock.wallMs())));
}

async function readResponses(
  { call, events }: StreamOptions,
  settle: (key: reportPb.ReportKey | undefined) => boolean,
  heldBack: () => void,
): Promise<void> {
  let isFirst = true;
  for await (const { message } of call.responses) {
    if (isFirst) events.opened();
    isFirst = false;
    switch (message.case) {
      case "plan":
        events.plan(message.value);
        break;
      case "ack":
        if (message.value.reports.length === 0) heldBack();
        events.acked(message.value.reports.filter(settle).length);
        break;
      case "refusal":
        if (settle(message.value.report)) events.refused(message.value);
        break;
      case undefined:
        // Of a newer collector; what this agent does not know it need not do.
        break;
    }
  }
}

function keyName(bootId: Uint8Array, sequence: number): string {
  return `${Buffer.from(bootId).toString("hex")}:${sequence}`;
}
