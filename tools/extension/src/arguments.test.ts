import { describe, expect, it } from "vitest";
import { readArguments } from "./arguments.ts";

describe("readArguments", () => {
  it("builds the extension alone unless told otherwise", () => {
    const flags = { help: false, json: false, images: false, steps: false, updateLock: false };
    expect(readArguments([])).toEqual({ ...flags, out: undefined, maintenance: undefined });
  });

  it("reads every flag", () => {
    expect(readArguments(["--out", "x", "--images", "--json", "--update-lock"])).toMatchObject({
      out: "x",
      images: true,
      json: true,
      updateLock: true,
    });
  });

  it("makes the variant for maintenance mode of two files", () => {
    const { maintenance } = readArguments(["--maintenance", "agent.yaml", "--join-token", "join-token"]);
    expect(maintenance).toEqual({ configFile: "agent.yaml", tokenFile: "join-token" });
  });

  it.each([
    [["--maintenance", "a"], "--maintenance: got it without --join-token"],
    [["--join-token", "a"], "--join-token: got it without --maintenance"],
    [["--maintenance", "a", "--join-token", "b", "--images"], "--images are the same beside either extension"],
    [["--maintenance", "a", "--join-token", "b", "--steps"], "--steps writes nothing"],
    [["--push"], "--push"],
    [["here"], "here"],
    [["--steps", "--images"], "--steps writes nothing"],
  ])("%s is refused", (args, why) => {
    expect(() => readArguments(args)).toThrow(why);
  });
});
