import { expect, it } from "vitest";
import { PunctualClock } from "./punctual-clock.ts";

/** Blocks this thread for `ms` of the host's time. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

it("a punctual clock fires its timers in order, each at its due time, however long this thread is blocked", async () => {
  const clock = new PunctualClock();
  const startNs = clock.monotonicNs();
  const fired: number[] = [];
  const fire = () => fired.push((clock.monotonicNs() - startNs) / 1e6);
  const all = new Promise<void>((resolve) => clock.after(40, resolve));
  clock.after(10, () => {
    fire();
    // Set while the next one is overdue by the host's clock, and due before it.
    clock.after(10, fire);
  });
  clock.after(30, fire);
  block(120);
  await all;
  expect(fired).toEqual([10, 20, 30]);
});

it("a punctual clock stalls on demand: callbacks that fell due run late", () => {
  const clock = new PunctualClock();
  const fired: number[] = [];
  clock.after(10, () => fired.push(Math.floor(clock.monotonicNs() / 1e6)));
  clock.after(300, () => fired.push(-1));
  clock.stall(200);
  expect(fired).toHaveLength(1);
  expect(fired[0]).toBeGreaterThanOrEqual(200);
});
