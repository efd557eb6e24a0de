/** Honest nodes during an attack, and its cost to them. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { getPriority, setPriority } from "node:os";
import { type Clock, pause } from "@lifeline/measure";
import { childProgram } from "./child-program.ts";

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

/** What was counted. Waits that have not ended count as long as they have lasted. */
export interface HonestAccount {
  /** From when a report was due to its acknowledgement, ms. */
  readonly ackMs: readonly number[];
  /** From the first attempt to connect to a plan, ms. */
  readonly admitMs: readonly number[];
  /** Nodes that got a plan: admissions that are over. */
  readonly admissions: number;
  /** Reports that were refused for good. */
  readonly refused: number;
}

/** When all is calm: that many acknowledgements in a row, none slower, ms; and how often it is looked, ms. */
const CALM = { acks: 8, withinMs: 100, lookEveryMs: 500 };

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

  /**
   * Waits until reports are acknowledged as fast as without an attack. Resolves false if that takes longer than the
   * limit, ms.
   */
  async isCalmWithin(timeoutMs: number): Promise<boolean> {
    for (let waitedMs = 0; waitedMs < timeoutMs; waitedMs += CALM.lookEveryMs) {
      this.tell({ kind: "begin" });
      await pause(this.#clock, CALM.lookEveryMs);
      const { ackMs } = await this.account();
      if (ackMs.length >= CALM.acks && ackMs.every((ms) => ms <= CALM.withinMs)) return true;
    }
    return false;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, "close");
    this.#child.kill("SIGKILL");
    await closed;
  }
}

/** The nearest-rank 99th percentile; with fewer than a hundred values the greatest. NaN for none. */
export function p99(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
}
