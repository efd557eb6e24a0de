import { describe, expect, it } from "vitest";
import { BootHistory, QUIET_MS } from "./boot-history.ts";

/** Boots that open a stream one second after another; what is known right after the last. */
function after(...boots: string[]) {
  const history = new BootHistory();
  for (const [at, boot] of boots.entries()) history.opened(boot, `address of ${boot}`, at * 1_000);
  return history.duplicate((boots.length - 1) * 1_000);
}

describe("two machines under one id", () => {
  it.each<[string, string[], boolean]>([
    ["one start", ["a"], false],
    ["a stream that is opened again", ["a", "a", "a"], false],
    ["a restart", ["a", "b"], false],
    ["restarts one after another", ["a", "b", "c", "d"], false],
    ["a boot that comes back after another", ["a", "b", "a"], true],
    ["two that take turns", ["a", "b", "a", "b"], true],
    ["three", ["a", "b", "c", "b"], true],
  ])("%s", (_, boots, isDuplicate) => {
    expect(after(...boots) !== undefined).toBe(isDuplicate);
  });

  it("names both, and since when they take turns", () => {
    expect(after("b", "a", "b", "a")).toEqual({ peers: ["address of a", "address of b"], sinceMs: 2_000 });
  });

  it("distinguishes clones of one name behind one address by their boots", () => {
    const history = new BootHistory();
    for (const [at, boot] of ["aaaaaaaa00", "bbbbbbbb00", "aaaaaaaa00"].entries()) history.opened(boot, "one", at);
    expect(history.duplicate(2)?.peers).toEqual(["one, boot aaaaaaaa", "one, boot bbbbbbbb"]);
  });

  it("are not reported for days because this clock was set back", () => {
    const history = new BootHistory();
    for (const [at, boot] of ["a", "b", "a"].entries()) history.opened(boot, boot, 864_000_000 + at);
    expect(history.duplicate(QUIET_MS)).toBeUndefined();
    history.opened("b", "b", QUIET_MS);
    expect(history.duplicate(QUIET_MS)).toBeUndefined();
  });

  it("does not name a machine that only restarted", () => {
    expect(after("c", "b", "a", "b")?.peers).toEqual(["address of a", "address of b"]);
  });

  it("is none when the boot comes back a day later, as from a snapshot", () => {
    const history = new BootHistory();
    for (const [at, boot] of ["a", "b", "a"].entries()) history.opened(boot, boot, at * 86_400_000);
    expect(history.duplicate(2 * 86_400_000)).toBeUndefined();
  });

  it("is over once there was no swap for long", () => {
    const history = new BootHistory();
    for (const [at, boot] of ["a", "b", "a"].entries()) history.opened(boot, boot, at);
    expect(history.duplicate(2 + QUIET_MS)).toBeDefined();
    expect(history.duplicate(3 + QUIET_MS)).toBeUndefined();
  });
});
