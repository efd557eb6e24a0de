import { describe, expect, it } from "vitest";
import { readArguments } from "./arguments.ts";

describe("readArguments", () => {
  it("builds the extension alone unless told otherwise", () => {
    const expected = { help: false, out: undefined, json: false, images: false, steps: false, updateLock: false };
    expect(readArguments([])).toEqual(expected);
  });

  it("reads every flag", () => {
    expect(readArguments(["--out", "x", "--images", "--json", "--update-lock"])).toMatchObject({
      out: "x",
      images: true,
      json: true,
      updateLock: true,
    });
  });

  it.each([
    [["--push"], "--push"],
    [["here"], "here"],
    [["--steps", "--images"], "--steps writes nothing"],
  ])("%s is refused", (args, why) => {
    expect(() => readArguments(args)).toThrow(why);
  });
});
