/**
 * Loss by direction, from two series of sequence numbers: the sender's, and the count of a stateful reflector (RFC 8762
 * §4.3). Pure.
 *
 * 1. Between two answered packets the sender's number rises by what was sent, and the reflector's by what arrived
 *    there. The difference was lost on the forward path. What was reflected and not received in time was lost on the
 *    return path.
 * 2. Numbers that contradict one another say nothing: the reflector started again, or a request was duplicated or
 *    reordered. The next comparison begins at the later packet.
 */
import type { DirectionCounts } from "@lifeline/measure";

/** A packet whose attempt has ended. */
export interface EndedPacket {
  /** Its place in the session: 0, 1, 2 … */
  readonly index: number;
  /**
   * Present when it was answered in time, with the reflector's own number; that is undefined where the reflector keeps
   * none.
   */
  readonly reflected: { readonly sequence: number | undefined } | undefined;
}

/** Packets by direction. */
export type DirectionSums = Pick<DirectionCounts, "forwardSent" | "forwardLost" | "returnSent" | "returnLost">;

/** No packet in either direction. */
export const NO_PACKETS: DirectionSums = { forwardSent: 0, forwardLost: 0, returnSent: 0, returnLost: 0 };

/** Adds up what pairs of answered packets show. */
export class DirectionLoss {
  /** The last answered packet. */
  #base: { readonly index: number; readonly sequence: number } | undefined;
  #sums: DirectionSums | undefined;

  /** Takes the next packet, in the order of sending. */
  add({ index, reflected }: EndedPacket): void {
    if (reflected === undefined) return;
    const { sequence } = reflected;
    if (sequence !== undefined) this.#compare(index, sequence);
    this.#base = sequence === undefined ? undefined : { index, sequence };
  }

  /** The sums since they were last taken; undefined: no two packets could be compared. */
  take(): DirectionSums | undefined {
    const taken = this.#sums;
    this.#sums = undefined;
    return taken;
  }

  #compare(index: number, sequence: number): void {
    if (this.#base === undefined) return;
    const sent = index - this.#base.index;
    const reflected = sequence - this.#base.sequence;
    if (reflected <= 0 || reflected > sent) return;
    const before = this.#sums ?? NO_PACKETS;
    this.#sums = {
      forwardSent: before.forwardSent + sent,
      forwardLost: before.forwardLost + sent - reflected,
      returnSent: before.returnSent + reflected,
      // Of what was reflected since the base, this packet alone was received.
      returnLost: before.returnLost + reflected - 1,
    };
  }
}
