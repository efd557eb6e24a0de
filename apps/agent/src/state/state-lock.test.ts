import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { scratch } from "../testing/fixtures.ts";
import { lockState } from "./state-lock.ts";

const place = scratch();
afterAll(() => place.remove());
const lock = join(place.path, "agent.lock");

describe("the lock of a state directory", () => {
  it("is refused to a second agent, with the first one's process id, until the first unlocks (U1)", () => {
    const release = lockState(place.path, "stateDir");
    expect(() => lockState(place.path, "stateDir")).toThrow(
      `stateDir: got "${place.path}", which process ${process.pid} uses, want a directory of its own`,
    );
    release();
    lockState(place.path, "stateDir")();
    expect(existsSync(lock)).toBe(false);
  });

  it.each([
    ["a process that is gone", `${2 ** 22 + 1} 12345\n`],
    ["another process of the same id", `${process.pid} 1\n`],
    ["a torn write", `${process.pid}`],
    ["an empty file", ""],
  ])("left by %s is not held", (_, content) => {
    writeFileSync(lock, content);
    lockState(place.path, "stateDir")();
  });

  it("is refused at once on a file system that makes no directories", () => {
    const want = "want a path at which a directory can be made";
    expect(() => lockState("/proc/lifeline", "stateDir")).toThrow(`stateDir: got "/proc/lifeline", ${want}`);
    expect(() => lockState("/proc/lifeline/state", "stateDir")).toThrow(want);
  });

  it("makes the directory and its missing parents, for its own user only", () => {
    const path = join(place.path, "a", "b");
    lockState(path, "stateDir")();
    expect(statSync(path).mode & 0o777).toBe(0o700);
  });

  it("does not stop an agent whose directory cannot be written", () => {
    expect(() => lockState("/proc/self", "stateDir")()).not.toThrow();
  });
});
