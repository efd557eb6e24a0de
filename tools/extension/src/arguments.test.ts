import { describe, expect, it } from "vitest";
import { readArguments } from "./arguments.ts";

describe("readArguments", () => {
  it("builds only the extension by default", () => {
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

  it("reads the two files of the variant for maintenance mode", () => {
    const { maintenance } = readArguments(["--maintenance", "agent.yaml", "--join-token", "join-token"]);
    expect(maintenance).toEqual({ configFile: "agent.yaml", tokenFile: "join-token" });
  });

  it.each([
    [["--maintenance", "a"], "--maintenance: the image needs a token"],
    [["--join-token", "a"], "--join-token: only an image for maintenance mode"],
    [["--maintenance", "a", "--join-token", "b", "--images"], "--images does not depend on the variant"],
    [["--maintenance", "a", "--join-token", "b", "--steps"], "--steps writes nothing"],
    [["--push"], "--push"],
    [["here"], "here"],
    [["--steps", "--images"], "--steps writes nothing"],
  ])("%s is refused", (args, why) => {
    expect(() => readArguments(args)).toThrow(why);
  });
});
