import { loadCatalogue, matchesPattern } from "@lifeline/catalogue";
import { ConfigError } from "@lifeline/settings";
import { describe, expect, it } from "vitest";
import { PROGRAM, readArguments } from "./arguments.ts";

function configOf(args: readonly string[]) {
  const command = readArguments(args);
  return command.kind === "run" ? command.config : command.text;
}

describe("the command line of npm start", () => {
  it("measures for ever with nothing given", () => {
    expect(configOf([])).toEqual({
      once: false,
      seconds: 10,
      json: false,
      wide: false,
      only: undefined,
      omni: undefined,
      stateDir: undefined,
      restartAfterSeconds: 2,
    });
  });

  it("--json implies --once", () => {
    expect(configOf(["--json"])).toMatchObject({ json: true, once: true });
  });

  it("takes a real Omni with every endpoint it advertises", () => {
    const args = ["--omni", "https://o.example", "--siderolink", "a:1", "--siderolink=b:2", "--ca-file", "ca.pem"];
    expect(configOf(args)).toMatchObject({
      omni: {
        api: "https://o.example",
        machineApi: undefined,
        siderolink: ["a:1", "b:2"],
        caFile: "ca.pem",
      },
    });
  });

  it.each([
    { args: ["--onse"], message: /Unknown option '--onse', want some of .*--once, --seconds, / },
    { args: ["now"], message: /got an argument that is no flag/ },
    { args: ["--once=yes"], message: /'--once' does not take an argument/ },
    { args: ["--only"], message: /'--only <value>' argument missing/ },
    { args: ["--only", "--json"], message: /'--only' argument is ambiguous/ },
    { args: ["--only", ""], message: /^--only: got "", want text$/ },
    { args: ["--seconds", "0"], message: /^--seconds: got 0, want an integer from 1 to 3600 seconds$/ },
    { args: ["--seconds", "1.5"], message: /^--seconds: got "1.5", want an integer from 1 to 3600 seconds$/ },
    { args: ["--restart-after", "x"], message: /^--restart-after: got "x", want an integer from 0 to 3600 seconds$/ },
    { args: ["--siderolink", "a:1"], message: /^--omni: got nothing, want URL .*, because --siderolink is given$/ },
    { args: ["--ca-file", "x"], message: /^--omni: got nothing, want URL .*, because --ca-file is given$/ },
  ])("refuses $args", ({ args, message }) => {
    expect(() => readArguments(args)).toThrow(ConfigError);
    expect(() => readArguments(args)).toThrow(message);
  });
});

describe("the help of npm start", () => {
  const patterns = [...(PROGRAM.settings.only.help.match(/such as .*/)?.[0] ?? "").matchAll(/'([^']+)'/g)].map(
    ([, pattern = ""]) => pattern,
  );

  it("has examples of patterns", () => expect(patterns).toHaveLength(2));

  it.each(patterns)("%s matches a requirement", (pattern) => {
    expect(loadCatalogue().requirements.filter(({ id }) => matchesPattern(pattern, id))).not.toEqual([]);
  });
});
