/** Honest nodes during an attack, and its cost to them. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { getPriority, setPriority } from "node:os";
import { type Clock, NS_PER_MS, pause } from "@lifeline/measure";
import { childProgram } from "./child-program.ts";
import { within } from "./poll.ts";

/** A node that was enrolled. */
export interface HonestIdentity {
  readonly nodeId: string;
  readonly certPem: string;
  readonly keyPem: string;
}

/** Orders to the process of honest nodes. */
export type HonestOrder =
  | {
      readonly kind: "start";
      readonly address: string;
      readonly caPem: string;
      /** Nodes that send reports. */
      readonly reporting: readonly HonestIdentity[];
      /** Nodes that reconnect repeatedly. */
      readonly coming: readonly HonestIdentity[];
    }
  /** Where the collector is now. */
  | { readonly kind: "address"; readonly address: string }
  /** Count from now. */
  | { readonly kind: "begin" }
  /** Send the counts. */
  | { readonly kind: "account" };

/** What was counted. */
export interface HonestAccount {
  /** From when a report was due to its acknowledgement, ms. */
  readonly ackMs: readonly number[];
  /** How long the reports have waited that have no acknowledgement yet, ms. */
  readonly waitingMs: readonly number[];
  /** From the first attempt to connect to a plan, ms. A wait that has not ended counts as long as it has lasted. */
  readonly admitMs: readonly number[];
  /** Nodes that got a plan: admissions that are over. */
  readonly admissions: number;
  /** Reports that were refused for good. */
  readonly refused: number;
}

/** How long honest nodes wait, ms; null: no report was due, or no node came. */
export interface HonestWaits {
  /** From when a report was due to its acknowledgement, 99th percentile. */
  readonly ackP99Ms: number | null;
  /** From the first attempt to connect to a plan, longest. */
  readonly admitMs: number | null;
}

/** What is counted at least, so that waits are known. In a second there are twenty acknowledgements, one admission. */
const ENOUGH = { acks: 20, admissions: 1 };

/**
 * When all is calm: that many acknowledgements in a row, none slower than `leastMs` or `timesUsual` times what they
 * usually take; and how often it is looked, ms.
 */
const CALM = { acks: 8, leastMs: 100, timesUsual: 2, lookEveryMs: 500 };

/** How much less nice than this program it is, and the least niceness there is (nice(2)). */
const LESS_NICE = 10;
const NICENESS_MIN = -20;

/** The process of honest nodes. */
export class Honest {
  readonly #child: ChildProcess;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    const { execArgv, path } = childProgram("honest-program");
    this.#child = fork(path, { execArgv: [...execArgv], stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#clock = clock;
    try {
      // Honest nodes are on other machines: they do not wait for a processor that the attacker has. Without root they
      // do.
      setPriority(this.#child.pid ?? 0, Math.max(NICENESS_MIN, getPriority() - LESS_NICE));
    } catch {}
  }

  tell(order: HonestOrder): void {
    this.#child.send(order);
  }

  /** What was counted since `begin`. */
  async account(): Promise<HonestAccount> {
    const answer = once(this.#child, "message");
    this.tell({ kind: "account" });
    const [account] = (await answer) as [HonestAccount];
    return account;
  }

  /** Counts from now, and resolves with what honest nodes need now, once it is known. */
  async measure(): Promise<HonestWaits> {
    this.tell({ kind: "begin" });
    return waitsOf(await this.settled());
  }

  /**
   * What was counted since `begin`, once it is enough and every report that was due before this call is acknowledged or
   * refused. If that takes longer than an event may (poll.ts), what there is by then.
   */
  async settled(): Promise<HonestAccount> {
    const startedNs = this.#clock.monotonicNs();
    let account = await this.account();
    await within(this.#clock, async () => {
      account = await this.account();
      const { ackMs, waitingMs, admissions } = account;
      const passedMs = (this.#clock.monotonicNs() - startedNs) / NS_PER_MS;
      const isEnough = ackMs.length >= ENOUGH.acks && admissions >= ENOUGH.admissions;
      return isEnough && waitingMs.every((ms) => ms < passedMs);
    });
    return account;
  }

  /** Waits until reports are acknowledged about as fast as usual. False: they were not within `timeoutMs`. */
  async isCalmWithin(timeoutMs: number, usual: HonestWaits): Promise<boolean> {
    const ackMaxMs = calmAckMs(usual);
    const isCalm = async () => {
      this.tell({ kind: "begin" });
      await pause(this.#clock, CALM.lookEveryMs);
      const { ackMs, waitingMs } = await this.account();
      return ackMs.length >= CALM.acks && [...ackMs, ...waitingMs].every((ms) => ms <= ackMaxMs);
    };
    return within(this.#clock, isCalm, timeoutMs);
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, "close");
    this.#child.kill("SIGKILL");
    await closed;
  }
}

/** The longest that an acknowledgement takes while all is calm, ms. */
export function calmAckMs({ ackP99Ms }: HonestWaits): number {
  return Math.max(CALM.leastMs, CALM.timesUsual * (ackP99Ms ?? 0));
}

/** How long the nodes of an account waited. Reports that wait still count as long as they have waited. */
export function waitsOf({ ackMs, waitingMs, admitMs, admissions }: HonestAccount): HonestWaits {
  const acks = [...ackMs, ...waitingMs];
  return {
    ackP99Ms: acks.length === 0 ? null : Math.round(p99(acks)),
    admitMs: admissions === 0 ? null : Math.round(Math.max(...admitMs)),
  };
}

/** The nearest-rank 99th percentile; with fewer than a hundred values the greatest. NaN for none. */
function p99(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
}
