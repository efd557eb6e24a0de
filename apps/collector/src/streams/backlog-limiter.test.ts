import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createBacklogGate,
  MAX_UNDER_WAY,
  MAX_WAITING_BYTES,
  MAX_WAITING_REPORTS,
  OPEN_AT_LOAD,
  SHUT_AT_LOAD,
  type Waiting,
} from "./backlog-limiter.ts";

/** A gate with its load in the test's hand, and the numbers of the reports that had their turn, in order. */
function gateWithLoad() {
  const at = { load: 0 };
  const gate = createBacklogGate(() => at.load);
  const went: number[] = [];
  const wait = (number: number, bytes = 1): Waiting => {
    const waiting = gate.wait(bytes);
    void waiting.turn.then((hasTurn) => hasTurn && went.push(number));
    return waiting;
  };
  return { at, gate, went, wait };
}
const turns = () => new Promise((resolve) => setImmediate(resolve));

describe("the gate before the store", () => {
  it("shuts at the high-water mark and opens only at the low one", () => {
    const { at, gate } = gateWithLoad();
    const isOpen = (load: number) => {
      at.load = load;
      const entered = gate.enter();
      if (entered) gate.leave();
      return entered;
    };
    const between = (SHUT_AT_LOAD + OPEN_AT_LOAD) / 2;
    expect([0, between, SHUT_AT_LOAD, between, OPEN_AT_LOAD, between, 1, between].map(isOpen)).toEqual([
      true,
      true,
      false,
      false,
      true,
      true,
      false,
      false,
    ]);
  });

  it("lets those that waited go on in the order they came, before those that come later", async () => {
    const { at, gate, went, wait } = gateWithLoad();
    at.load = 1;
    expect(gate.enter()).toBe(false);
    for (const number of [1, 2, 3]) wait(number);
    at.load = 0;
    // Nobody passes who came after them, though the gate would be open.
    expect(gate.enter()).toBe(false);
    gate.review();
    await turns();
    expect(went).toEqual([1, 2, 3]);
    expect(gate.waiting()).toBe(0);
    expect(gate.enter()).toBe(true);
  });

  it("opens for no more than may be under way, and for one more with each that leaves", async () => {
    const { at, gate, went, wait } = gateWithLoad();
    at.load = 1;
    gate.enter();
    for (let number = 0; number < MAX_UNDER_WAY + 10; number++) wait(number);
    at.load = 0;
    gate.review();
    await turns();
    expect(went).toHaveLength(MAX_UNDER_WAY);
    gate.leave();
    await turns();
    expect(went).toHaveLength(MAX_UNDER_WAY + 1);
  });

  it("says when it is full, in reports and in bytes, and when it is no more", async () => {
    const { at, gate, wait } = gateWithLoad();
    at.load = 1;
    const waiting = Array.from({ length: MAX_WAITING_REPORTS }, (_, number) => wait(number));
    const full = gate.full();
    expect(full).toBeInstanceOf(Promise);
    waiting[0]?.giveUp();
    await full;
    expect(gate.full()).toBeUndefined();
    const large = wait(-1, MAX_WAITING_BYTES);
    expect(gate.full()).toBeInstanceOf(Promise);
    large.giveUp();
    large.giveUp();
    expect(gate.full()).toBeUndefined();
    expect(gate.waiting()).toBe(MAX_WAITING_REPORTS - 1);
  });

  it("loses none and gives none two turns, whatever the load and whoever gives up", async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("come" as const) }),
      fc.record({ kind: fc.constant("give up" as const), which: fc.nat({ max: 50 }) }),
      fc.record({ kind: fc.constant("load" as const), load: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.record({ kind: fc.constant("leave" as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 100 }), async (steps) => {
        const { at, gate, went, wait } = gateWithLoad();
        const all: Waiting[] = [];
        let left = 0;
        for (const one of steps) {
          if (one.kind === "come") all.push(wait(all.length));
          else if (one.kind === "give up") all[one.which]?.giveUp();
          else if (one.kind === "load") at.load = one.load;
          else if (left < went.length) {
            left++;
            gate.leave();
          }
          gate.review();
          await Promise.resolve();
          await Promise.resolve();
        }
        at.load = 0;
        gate.review();
        const settled = await Promise.all(all.map(({ turn }) => turn));
        expect(went).toEqual(all.flatMap((_, number) => (settled[number] ? [number] : [])));
        expect(gate.waiting()).toBe(0);
      }),
    );
  });
});
