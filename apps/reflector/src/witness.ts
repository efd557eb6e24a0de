/**
 * The witness: reports to the collector, once a second, whose WireGuard datagrams arrive at the SideroLink port.
 *
 * 1. It only reads the sets of {@link nftablesRules}. The operator loads the rules.
 * 2. A report holds the counts of the moment. None is kept for a collector that cannot be reached.
 */
import { type Clock, NS_PER_MS, type Timer } from "@lifeline/measure";
import { type ChannelCredentials, createRpcClient, type RpcClient, RpcError } from "@lifeline/rpc";
import { errorCode } from "@lifeline/settings";
import { witnessPb } from "@lifeline/wire";
import type { Logger } from "pino";
import { listSet, RECEIVED_SETS, readElements } from "./nft-set.ts";
import { SourceLedger } from "./source-ledger.ts";

/** Time between two reports, ms. */
const REPORT_PERIOD_MS = 1_000;

/** How long the collector has to answer, ms: below the period, so that there is one call at a time. */
const CALL_TIMEOUT_MS = 900;

/** Least time between two log lines with the same message, ms. */
const REPEATED_LINE_MS = 60_000;

/** What a witness is made from. */
export interface WitnessOptions {
  /** The SideroLink port, 1–65535. */
  readonly port: number;
  /** host:port of the collector. */
  readonly collector: string;
  readonly credentials: ChannelCredentials;
  readonly clock: Clock;
  readonly log: Logger;
  /** 16 random bytes. */
  readonly id: Uint8Array;
}

/** A running witness. */
export class Witness {
  readonly #options: WitnessOptions;
  readonly #client: RpcClient<typeof witnessPb.WitnessService>;
  readonly #ledger = new SourceLedger();
  readonly #startedNs: number;
  readonly #loggedNs = new Map<string, number>();
  readonly #counts = { reported: 0, failed: 0 };
  #isStopped = false;
  #timer: Timer | undefined;
  #round: Promise<void>;

  /** Starts to read and to report. */
  constructor(options: WitnessOptions) {
    this.#options = options;
    this.#client = createRpcClient(witnessPb.WitnessService, options.collector, options.credentials);
    this.#startedNs = options.clock.monotonicNs();
    this.#round = this.#startRound();
  }

  /** Reports that the collector took, and those that it did not. */
  stats(): { readonly reported: number; readonly failed: number } {
    return this.#counts;
  }

  /** Resolves when the report under way is over. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#round;
    this.#client.close();
  }

  async #startRound(): Promise<void> {
    try {
      // Without a reading there is no report: the old counts would say that every source has fallen silent.
      if (await this.#readSets()) await this.#report();
    } finally {
      const again = () => {
        this.#round = this.#startRound();
      };
      if (!this.#isStopped) this.#timer = this.#options.clock.after(REPORT_PERIOD_MS, again);
    }
  }

  async #readSets(): Promise<boolean> {
    try {
      const lists = await Promise.all(Object.values(RECEIVED_SETS).map(listSet));
      this.#ledger.read(lists.flatMap(readElements), this.#options.clock.monotonicNs());
      return true;
    } catch (error) {
      const hint = "load the rules first: lifeline reflector --share PORT --witness PORT --print-rules | nft -f -";
      this.#warn("cannot read the sets of nftables in which sources are counted", {
        code: errorCode(error),
        detail: String(error),
        hint,
      });
      return false;
    }
  }

  async #report(): Promise<void> {
    const { clock, id, port, collector } = this.#options;
    const nowNs = clock.monotonicNs();
    const { sources, dropped } = this.#ledger.report(nowNs);
    const request = {
      witnessId: id,
      port,
      watchedMs: BigInt(Math.round((nowNs - this.#startedNs) / NS_PER_MS)),
      sources: sources.map(({ packets, receivedAgoMs, ...source }) => ({
        ...source,
        packets: BigInt(packets),
        receivedAgoMs: BigInt(receivedAgoMs),
      })),
      droppedSources: BigInt(dropped),
    };
    try {
      await this.#client.unary("witness", request, { timeoutMs: CALL_TIMEOUT_MS });
      this.#counts.reported += 1;
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      this.#counts.failed += 1;
      this.#warn("the collector did not take a witness report", {
        collector,
        status: error.code,
        detail: error.message,
      });
    }
  }

  /** Logs a message at most once a minute. */
  #warn(message: string, details: object): void {
    const { clock, log } = this.#options;
    const nowNs = clock.monotonicNs();
    if (nowNs - (this.#loggedNs.get(message) ?? Number.NEGATIVE_INFINITY) < REPEATED_LINE_MS * NS_PER_MS) return;
    this.#loggedNs.set(message, nowNs);
    log.warn(details, message);
  }
}
