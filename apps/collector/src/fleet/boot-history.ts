/**
 * Two machines that report under one node id: each replaces the other's stream, again and again.
 *
 * A restart starts a new boot and never the old one again. So a boot that opens a stream after another one did belongs
 * to a second machine. That holds while such a swap was observed within {@link QUIET_MS}.
 */
import type { DuplicateNode } from "@lifeline/verdict";

/**
 * After how long without a swap it is over, and within what time a swap must follow, ms: agents redial within 15 s
 * (their backoff).
 */
export const QUIET_MS = 90_000;

/** Boots remembered: two make a duplicate, more add nothing. */
const MAX_BOOTS = 8;

/** A boot that opened a stream. */
interface BootPeer {
  /** Its address and host name. */
  readonly from: string;
  readonly openedMs: number;
  /** Whether it took part in a swap. */
  hasSwapped: boolean;
}

/** The boots of one node. */
export class BootHistory {
  /** In the order in which they last opened a stream. */
  readonly #peers = new Map<string, BootPeer>();
  #last: string | undefined;
  #sinceMs: number | undefined;
  #swappedMs = 0;

  /**
   * `boot` (hexadecimal) has opened a stream at `nowMs`, from an address and host name. Returns whether it has come
   * back after another one: what was received last is then of another machine.
   */
  opened(boot: string, from: string, nowMs: number): boolean {
    const before = this.#peers.get(boot);
    const other = this.#last === undefined || this.#last === boot ? undefined : this.#peers.get(this.#last);
    const isBack = before !== undefined && other !== undefined;
    const isSwap = isBack && Math.abs(nowMs - before.openedMs) <= QUIET_MS;
    if (isSwap) {
      if (this.#sinceMs === undefined || Math.abs(nowMs - this.#swappedMs) > QUIET_MS) this.#sinceMs = nowMs;
      this.#swappedMs = nowMs;
      other.hasSwapped = true;
    }
    this.#peers.delete(boot);
    this.#peers.set(boot, { from, openedMs: nowMs, hasSwapped: isSwap || before?.hasSwapped === true });
    const [oldest] = this.#peers.keys();
    if (this.#peers.size > MAX_BOOTS && oldest !== undefined) this.#peers.delete(oldest);
    this.#last = boot;
    return isBack;
  }

  /** What is known at `nowMs`; undefined: one machine, as far as is known. */
  duplicate(nowMs: number): DuplicateNode | undefined {
    // By the distance: a swap may be dated ahead by a clock that was set back since.
    if (this.#sinceMs === undefined || Math.abs(nowMs - this.#swappedMs) > QUIET_MS) return undefined;
    const swapped = [...this.#peers].filter(([, { hasSwapped }]) => hasSwapped);
    const peers = swapped.map(([boot, { from }]) => {
      // Clones behind one NAT have address and host name in common.
      const isUnique = swapped.every(([other, peer]) => other === boot || peer.from !== from);
      return isUnique ? from : `${from}, boot ${boot.slice(0, 8)}`;
    });
    return { peers: peers.sort(), sinceMs: this.#sinceMs };
  }
}
