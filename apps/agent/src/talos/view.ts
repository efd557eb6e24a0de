/**
 * How Talos sees the tunnel, polled every 30 s where the settings name its socket.
 *
 * 1. Without `talos.socket` nothing is opened: the socket could grant os:admin.
 * 2. A view that Talos does not answer is absent; an old answer is never used (M4). Failures are counted, and logged
 *    once a minute.
 */
import { type Clock, NS_PER_MS, type Timer } from "@lifeline/measure";
import { type ByteClient, createByteClient, RpcError, RpcStatus } from "@lifeline/rpc";
import type { Logger } from "pino";
import { MalformedMessage } from "./message.ts";
import {
  GET_METHOD,
  READER_HEADERS,
  SIDEROLINK_LINK,
  SIDEROLINK_STATUS,
  siderolinkStatusOf,
  wireguardEndpointOf,
} from "./resource.ts";

/** Time between polls, ms: as often as Talos checks its own peer. */
const VIEW_EVERY_MS = 30_000;

/** Timeout of one answer, ms. */
const VIEW_TIMEOUT_MS = 2_000;

/** Least time between two lines about failures, ms. */
const VIEW_LOG_MS = 60_000;

/** How Talos sees the tunnel. */
export interface TalosView {
  /** host[:port] of the Machine API; empty when Talos names none. */
  readonly siderolinkHost: string;
  /** Undefined when Talos does not say. */
  readonly siderolinkConnected: boolean | undefined;
  /** host:port as WireGuard uses it now; empty when Talos names none. */
  readonly wireguardEndpoint: string;
}

/** What a {@link TalosWatch} needs. */
export interface TalosWatchOptions {
  readonly socketPath: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Default {@link VIEW_EVERY_MS}. */
  readonly everyMs?: number;
  /** Default {@link VIEW_TIMEOUT_MS}. */
  readonly timeoutMs?: number;
}

/** The value of an answer, nothing where Talos has no such resource, or the reason of a failure in a word. */
type QueryResult<T> = { readonly kind: "answer"; readonly value: T } | { readonly kind: "none" } | Failed;
type Failed = { readonly kind: "failed"; readonly word: string };

/** Polls Talos from its start until stopped. A defect is an unhandled rejection. */
export class TalosWatch {
  readonly #options: TalosWatchOptions;
  readonly #client: ByteClient;
  #latest: TalosView | undefined;
  #polls = 0;
  #failures = 0;
  #loggedNs: number | undefined;
  #timer: Timer | undefined;
  #hasStopped = false;

  constructor(options: TalosWatchOptions) {
    this.#options = options;
    this.#client = createByteClient(options.socketPath, READER_HEADERS);
    void this.#poll();
  }

  /** The latest answer; undefined while there is none. */
  view(): TalosView | undefined {
    return this.#latest;
  }

  /** Counters since the start. */
  stats(): { readonly polls: number; readonly failures: number } {
    return { polls: this.#polls, failures: this.#failures };
  }

  stop(): void {
    this.#hasStopped = true;
    this.#timer?.cancel();
    this.#client.close();
  }

  async #poll(): Promise<void> {
    const { clock, everyMs = VIEW_EVERY_MS, timeoutMs = VIEW_TIMEOUT_MS } = this.#options;
    const [status, link] = await Promise.all([
      query(this.#client, SIDEROLINK_STATUS, timeoutMs, siderolinkStatusOf),
      query(this.#client, SIDEROLINK_LINK, timeoutMs, wireguardEndpointOf),
    ]);
    if (this.#hasStopped) return;
    this.#polls += 1;
    this.#latest = viewOf(status, link);
    const failed = [status, link].find((result) => result.kind === "failed");
    if (failed !== undefined) this.#countFailure(failed.word);
    this.#timer = clock.after(everyMs, () => void this.#poll());
  }

  #countFailure(status: string): void {
    const { clock, log, socketPath: socket } = this.#options;
    this.#failures += 1;
    const nowNs = clock.monotonicNs();
    if (this.#loggedNs !== undefined && nowNs - this.#loggedNs < VIEW_LOG_MS * NS_PER_MS) return;
    this.#loggedNs = nowNs;
    log.warn(
      { socket, status, failures: this.#failures },
      "Talos's view of the tunnel cannot be read; the agent polls again",
    );
  }
}

function viewOf(
  status: QueryResult<{ readonly host: string; readonly isConnected: boolean }>,
  link: QueryResult<string>,
): TalosView | undefined {
  if (status.kind !== "answer" && link.kind !== "answer") return undefined;
  return {
    siderolinkHost: status.kind === "answer" ? status.value.host : "",
    siderolinkConnected: status.kind === "answer" ? status.value.isConnected : undefined,
    wireguardEndpoint: link.kind === "answer" ? link.value : "",
  };
}

async function query<T>(
  client: ByteClient,
  request: Uint8Array,
  timeoutMs: number,
  read: (response: Uint8Array) => T,
): Promise<QueryResult<T>> {
  try {
    return { kind: "answer", value: read(await client.call(GET_METHOD, request, timeoutMs)) };
  } catch (error) {
    if (error instanceof MalformedMessage) return { kind: "failed", word: "MALFORMED" };
    if (!(error instanceof RpcError)) throw error;
    // Talos runs without SideroLink, or is older than the resource.
    return error.code === RpcStatus.NOT_FOUND ? { kind: "none" } : { kind: "failed", word: RpcStatus[error.code] };
  }
}
