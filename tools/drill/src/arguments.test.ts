import { describe, expect, it } from "vitest";
import { readArguments } from "./arguments.ts";

describe("the command line of the lab", () => {
  it.each<[string[], object]>([
    [[], { kind: "screen", fault: undefined }],
    [["--fault", "dns-drift"], { kind: "screen", fault: "dns-drift" }],
    [["--list", "--json"], { kind: "list", json: true }],
    [["--matrix"], { kind: "matrix", only: undefined, json: false }],
    [["--matrix", "--only", "dns-*", "--json"], { kind: "matrix", only: "dns-*", json: true }],
    [["--quiet", "600"], { kind: "quiet", seconds: 600, json: false }],
    [["--loss", "60"], { kind: "loss", seconds: 60, json: false }],
    [["--extension", "oci", "--json"], { kind: "extension", from: "oci", json: true }],
  ])("reads %j", (args, wanted) => {
    expect(readArguments(args)).toEqual({ kind: "run", config: wanted });
  });

  it.each<[string[], string]>([
    [["--matrix", "--list"], "--matrix: got it beside --list, want one of them"],
    [["--json"], "--json: got it alone, want --list, --matrix, --quiet, --loss or --extension with it"],
    [["--only", "x"], "--only: got it alone, want --matrix with it"],
    [["--quiet", "0"], "--quiet: got 0, want an integer from 1 to 86400 seconds"],
    [["--loss", "1e3"], '--loss: got "1e3", want an integer from 1 to 86400 seconds'],
  ])("refuses %j", (args, message) => {
    expect(() => readArguments(args)).toThrowError(expect.objectContaining({ name: "ConfigError", message }));
  });

  it("refuses an unknown argument, and names it", () => {
    expect(() => readArguments(["--break"])).toThrowError(/'--break'/);
    expect(() => readArguments(["now"])).toThrowError(/an argument that is no flag/);
  });
});
