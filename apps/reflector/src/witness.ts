/**
 * The witness: tells the collector, once a second, whose WireGuard datagrams get through to the SideroLink port.
 *
 * 1. It only reads: the sets are those of {@link shareRules}, which people load.
 * 2. What is known now is what is sent; nothing waits for a collector that is away.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Clock, NS_PER_MS, type Timer } from "@lifeline/measure";
import { type ChannelCredentials, createRpcClient, RpcError } from "@lifeline/rpc";
import { witnessPb } from "@lifeline/wire";
import type { Logger } from "pino";
import { createHeardLedger, readElements } from "./heard.ts";

/** Time between two reports, ms. */
export const REPORT_EVERY_MS = 1_000;

/** How long the collector has to answer, ms: two reports are never under way at once. */
const CALL_TIMEOUT_MS = 900;

/** Longest output of nft that is read, bytes: 65,536 elements of two families at some 150 bytes. */
const LIST_MAX_BYTES = 32 * 1024 * 1024;

/** How long nft has, ms. */
const LIST_TIMEOUT_MS = 5_000;

/** Least time between two lines about trouble that stays, ms. */
const TELL_EVERY_MS = 60_000;

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
  /** Lists one of the sets as JSON; default: by nft. */
  readonly list?: (set: string) => Promise<string>;
}

/** A running witness. */
export interface Witness {
  /** Reports that the collector took, and those it did not. */
  stats(): { readonly reported: number; readonly failed: number };
  stop(): Promise<void>;
}

const run = promisify(execFile);

async function listSet(set: string): Promise<string> {
  const args = ["-j", "list", "set", "inet", "lifeline", set];
  const { stdout } = await run("nft", args, { maxBuffer: LIST_MAX_BYTES, timeout: LIST_TIMEOUT_MS });
  return stdout;
}

/** Starts to watch and to report. */
export function startWitness(options: WitnessOptions): Witness {
  const { port, collector, credentials, clock, log, id, list = listSet } = options;
  const client = createRpcClient(witnessPb.WitnessService, collector, credentials);
  const ledger = createHeardLedger();
  const startedNs = clock.monotonicNs();
  const tell = createTeller(clock, log);
  const counts = { reported: 0, failed: 0 };
  let stopped = false;
  let timer: Timer | undefined;
  let under: Promise<void> = Promise.resolve();

  const read = async (): Promise<boolean> => {
    try {
      const lists = await Promise.all(["heard4", "heard6"].map(list));
      ledger.read(lists.flatMap(readElements), clock.monotonicNs());
      return true;
    } catch (error) {
      const hint = "load the rules first: lifeline reflector --share PORT --witness PORT --print-rules | nft -f -";
      tell("the sets of the witness cannot be read", { code: codeOf(error), hint });
      return false;
    }
  };
  const report = async (): Promise<void> => {
    // Without a reading nothing is said: an old one would make a silence of it.
    if (!(await read())) return;
    const nowNs = clock.monotonicNs();
    const { sources, dropped } = ledger.report(nowNs);
    const request = {
      witnessId: id,
      port,
      watchedMs: BigInt(Math.round((nowNs - startedNs) / NS_PER_MS)),
      sources: sources.map(({ packets, receivedAgoMs, ...source }) => ({
        ...source,
        packets: BigInt(packets),
        receivedAgoMs: BigInt(receivedAgoMs),
      })),
      droppedSources: BigInt(dropped),
    };
    try {
      await client.unary("witness", request, { timeoutMs: CALL_TIMEOUT_MS });
      counts.reported += 1;
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      counts.failed += 1;
      tell("the collector did not take the witness's report", { collector, status: error.code, detail: error.message });
    }
  };
  const round = () => {
    under = report().finally(() => {
      if (!stopped) timer = clock.after(REPORT_EVERY_MS, round);
    });
  };
  round();
  return {
    stats: () => counts,
    async stop() {
      stopped = true;
      timer?.cancel();
      await under;
      client.close();
    },
  };
}

/** Says the same thing at most once a minute. */
function createTeller({ monotonicNs }: Clock, log: Logger) {
  const toldNs = new Map<string, number>();
  return (message: string, details: object) => {
    const nowNs = monotonicNs();
    if (nowNs - (toldNs.get(message) ?? Number.NEGATIVE_INFINITY) < TELL_EVERY_MS * NS_PER_MS) return;
    toldNs.set(message, nowNs);
    log.warn(details, message);
  };
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
