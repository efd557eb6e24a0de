import { loadCatalogue, matchesPattern } from "@lifeline/catalogue";
import { describe, expect, it } from "vitest";
import { readArguments, USAGE, UsageError } from "./arguments.ts";

describe("the command line of npm start", () => {
  it("measures for ever with nothing given", () => {
    expect(readArguments([])).toEqual({
      once: false,
      seconds: 10,
      json: false,
      wide: false,
      only: undefined,
      omni: undefined,
      stateDir: undefined,
      restartAfterSeconds: 2,
      help: false,
    });
  });

  it("--json implies --once", () => {
    expect(readArguments(["--json"])).toMatchObject({ json: true, once: true });
  });

  it("takes a real Omni with every endpoint it advertises", () => {
    const args = ["--omni", "https://o.example", "--siderolink", "a:1", "--siderolink=b:2", "--ca-file", "ca.pem"];
    expect(readArguments(args).omni).toEqual({
      api: "https://o.example",
      machineApi: undefined,
      siderolink: ["a:1", "b:2"],
      caFile: "ca.pem",
    });
  });

  it.each([
    { args: ["--onse"], message: /^--onse: unknown option; want one of --once, --seconds, / },
    { args: ["now"], message: /^"now": unexpected argument; want options only \(see --help\)$/ },
    { args: ["--once=yes"], message: /^--once: got "yes", want no value$/ },
    { args: ["--only"], message: /^--only: got no value, want one after it$/ },
    { args: ["--only", "--json"], message: /^--only: got no value, want one after it$/ },
    { args: ["--seconds", "0"], message: /^--seconds: got "0", want a whole number of seconds from 1 to 3600$/ },
    { args: ["--seconds", "1.5"], message: /^--seconds: got "1.5", want a whole number of seconds from 1 to 3600$/ },
    {
      args: ["--restart-after", "x"],
      message: /^--restart-after: got "x", want a whole number of seconds from 0 to 3600$/,
    },
    { args: ["--siderolink", "a:1"], message: /^--siderolink: got "a:1" without --omni; want --omni URL with it$/ },
    { args: ["--ca-file", "x"], message: /^--ca-file: got "x" without --omni; want --omni URL with it$/ },
  ])("refuses $args", ({ args, message }) => {
    expect(() => readArguments(args)).toThrow(UsageError);
    expect(() => readArguments(args)).toThrow(message);
  });
});

describe("the help of npm start", () => {
  const patterns = [...(USAGE.match(/such as .*/)?.[0] ?? "").matchAll(/'([^']+)'/g)].map(
    ([, pattern = ""]) => pattern,
  );

  it("has examples of patterns", () => expect(patterns).toHaveLength(2));

  it.each(patterns)("%s matches a requirement", (pattern) => {
    expect(loadCatalogue().requirements.filter(({ id }) => matchesPattern(pattern, id))).not.toEqual([]);
  });
});
