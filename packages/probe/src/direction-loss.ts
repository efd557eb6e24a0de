/**
 * Loss by direction, from two series of numbers: the sender's, and the reflector's own count of what it reflected (RFC 8762 §4.3,
 * stateful). Pure.
 *
 * 1. Between two answered packets the sender's numbers rise by what was sent, the reflector's by what arrived there; the rest was lost
 *    forward. Of what was reflected, what did not come back in time was lost on the return.
 * 2. Numbers that contradict one another (a reflector that began anew, a duplicate or reordered request) tell nothing: the account begins
 *    again from there.
 */
import type { DirectionCounts } from "@lifeline/measure";

/** A packet that is over. */
export interface EndedPacket {
  /** Its place in the session: 0, 1, 2 … */
  readonly index: number;
  /** Present when it was answered in time, with the reflector's own number; that is undefined where the reflector keeps none. */
  readonly reflected: { readonly sequence: number | undefined } | undefined;
}

/** Packets by direction. */
export type DirectionSums = Pick<DirectionCounts, "forwardSent" | "forwardLost" | "returnSent" | "returnLost">;

/** A growing account. */
export interface DirectionLoss {
  /** Takes the next packet, in the order of sending. */
  add(packet: EndedPacket): void;
  /** What was learned since it was last taken; undefined: nothing. */
  take(): DirectionSums | undefined;
}

/** Creates an account that knows nothing yet. */
export function createDirectionLoss(): DirectionLoss {
  let base: { readonly index: number; readonly sequence: number } | undefined;
  /** Answered since the base, itself left out. */
  let answered = 0;
  let sums: DirectionSums | undefined;
  const learn = (index: number, sequence: number) => {
    if (base === undefined) return;
    const sent = index - base.index;
    const reflected = sequence - base.sequence;
    if (reflected <= 0 || reflected > sent || answered > reflected) return;
    const before = sums ?? { forwardSent: 0, forwardLost: 0, returnSent: 0, returnLost: 0 };
    sums = {
      forwardSent: before.forwardSent + sent,
      forwardLost: before.forwardLost + sent - reflected,
      returnSent: before.returnSent + reflected,
      returnLost: before.returnLost + reflected - answered,
    };
  };
  return {
    add({ index, reflected }) {
      if (reflected === undefined) return;
      const { sequence } = reflected;
      answered += 1;
      if (sequence !== undefined) learn(index, sequence);
      base = sequence === undefined ? undefined : { index, sequence };
      answered = 0;
    },
    take() {
      const taken = sums;
      sums = undefined;
      return taken;
    },
  };
}
