import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { lockState } from "./state-lock.ts";
import { scratch } from "./testing/fixtures.ts";

const place = scratch();
afterAll(() => place.remove());
const lock = join(place.path, "agent.lock");

describe("the lock of a state directory", () => {
  it("is refused to a second agent, by name, until the first lets go (U1)", () => {
    const release = lockState(place.path, "stateDir");
    expect(() => lockState(place.path, "stateDir")).toThrow(
      `stateDir: got "${place.path}", which process ${process.pid} uses; want a directory of its own`,
    );
    release();
    lockState(place.path, "stateDir")();
    expect(existsSync(lock)).toBe(false);
  });

  it.each([
    ["a process that is gone", `${2 ** 22 + 1} 12345\n`],
    ["another process of the same id", `${process.pid} 1\n`],
    ["a torn write", `${process.pid}`],
    ["nobody", ""],
  ])("left behind by %s holds nobody", (_, content) => {
    writeFileSync(lock, content);
    lockState(place.path, "stateDir")();
  });

  it("does not keep an agent from a directory it cannot write", () => {
    expect(() => lockState("/proc/self", "stateDir")()).not.toThrow();
  });
});
