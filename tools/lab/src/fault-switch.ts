/**
 * Moves one listener from fault to fault, one change at a time.
 *
 * 1. Every change of fault ends the connections of the one before: no peer keeps a path that the fault should have cut.
 * 2. The port never changes: lifting a fault restores the listener where it was.
 * 3. `fault` is what is true now; a change that failed leaves it at what was reached.
 */

import { LabError } from "./lab-error.ts";
import type { Fault } from "./listener-fault.ts";

/** A fault that changes something. */
export type ActiveFault = Exclude<Fault, "none">;

/** What a listener must be able to do for its faults. */
export interface Faultable {
  /** Destroys every connection; `next` is how those arriving from now on are to be treated. */
  disconnect(next: Fault): void;
  inject(fault: ActiveFault): Promise<void>;
  lift(fault: ActiveFault): Promise<void>;
}

/** The switch of one listener. */
export interface FaultSwitch {
  readonly fault: Fault;
  /**
   * Resolves when `fault` is in force. Rejects with what {@link Faultable} throws, `busy` when 32 changes already wait,
   * or `closed`.
   */
  turn(fault: Fault): Promise<void>;
  /** Waits for the changes under way and refuses later ones (`closed`), so that a closed listener stays closed. */
  end(): Promise<void>;
}

/** Changes of one listener that may wait at once: more than a person or a script has in flight. */
const WAITING_MAX = 32;

/** Creates the switch, at `none`. */
export function createFaultSwitch(listener: Faultable): FaultSwitch {
  let fault: Fault = "none";
  let ended = false;
  let waiting = 0;
  let last: Promise<void> = Promise.resolve();

  const change = async (next: Fault): Promise<void> => {
    if (next === fault) return;
    try {
      listener.disconnect(next);
      if (fault !== "none") await listener.lift(fault);
      fault = "none";
      if (next !== "none") await listener.inject(next);
      fault = next;
    } catch (error) {
      listener.disconnect(fault);
      throw error;
    }
  };

  return {
    get fault() {
      return fault;
    },
    async turn(next) {
      if (ended) throw new LabError("closed", "fault: the listener is closed; start another stand-in");
      if (waiting >= WAITING_MAX) {
        throw new LabError(
          "busy",
          `${waiting} fault changes already wait for this listener; expected fewer than ${WAITING_MAX}`,
        );
      }
      waiting += 1;
      const done = last.then(() => change(next)).finally(() => (waiting -= 1));
      last = done.catch(() => undefined);
      return done;
    },
    end() {
      ended = true;
      return last;
    },
  };
}
