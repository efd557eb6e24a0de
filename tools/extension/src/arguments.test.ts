import { describe, expect, it } from "vitest";
import { readArguments } from "./arguments.ts";

function configOf(args: readonly string[]) {
  const command = readArguments(args);
  return command.kind === "run" ? command.config : command.text;
}

describe("readArguments", () => {
  it("builds only the extension by default", () => {
    const flags = { json: false, images: false, updateLock: false };
    expect(configOf([])).toEqual({ ...flags, out: undefined, maintenance: undefined });
  });

  it("reads every flag", () => {
    expect(configOf(["--out", "x", "--images", "--json", "--update-lock"])).toMatchObject({
      out: "x",
      images: true,
      json: true,
      updateLock: true,
    });
  });

  it("reads the two files of the variant for maintenance mode", () => {
    const maintenance = { configFile: "agent.yaml", tokenFile: "join-token" };
    expect(configOf(["--maintenance", "agent.yaml", "--join-token", "join-token"])).toMatchObject({ maintenance });
  });

  it.each([
    [["--maintenance", "a"], "--join-token: got nothing"],
    [["--join-token", "a"], "--maintenance: got nothing"],
    [
      ["--maintenance", "a", "--join-token", "b", "--images"],
      "no --maintenance: the images do not depend on the variant",
    ],
    [["--push"], "--push"],
    [["here"], "an argument that is no flag"],
  ])("%s is refused", (args, why) => {
    expect(() => readArguments(args)).toThrow(why);
  });
});
