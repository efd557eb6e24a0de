import { describe, expect, it } from "vitest";
import { type BenchRequest, readArguments } from "./arguments.ts";

describe("the command line", () => {
  const accepted: readonly [string, BenchRequest][] = [
    ["accuracy", { bench: "accuracy", json: false, samples: 200, rttMs: 20 }],
    ["accuracy --json --samples 20", { bench: "accuracy", json: true, samples: 20, rttMs: 20 }],
    ["accuracy --rtt-ms 1", { bench: "accuracy", json: false, samples: 200, rttMs: 1 }],
    ["accuracy --samples=10000", { bench: "accuracy", json: false, samples: 10_000, rttMs: 20 }],
    ["footprint", { bench: "footprint", json: false, seconds: 30, period: 1 }],
    ["footprint --seconds 5 --json", { bench: "footprint", json: true, seconds: 5, period: 1 }],
    ["rollup --json", { bench: "rollup", json: true }],
    ["connections --json", { bench: "connections", json: true }],
    ["spool", { bench: "spool", json: false, targets: 96 }],
    ["spool --targets 20 --json", { bench: "spool", json: true, targets: 20 }],
    ["footprint --period 60 --seconds 60", { bench: "footprint", json: false, seconds: 60, period: 60 }],
    ["footprint --seconds=3600", { bench: "footprint", json: false, seconds: 3_600, period: 1 }],
  ];
  it.each(accepted)("%s", (line, config) => {
    expect(readArguments(line.split(" "))).toEqual({ kind: "run", config });
  });

  it.each(["--help", "accuracy --help", "spool -h"])("%s prints help", (line) => {
    expect(readArguments(line.split(" "))).toMatchObject({ kind: "print", text: /^npm run bench -- / });
  });

  const benches = "one of accuracy, footprint, rollup, connections, spool; then its flags";
  it.each([
    ["", `command line: got "", want ${benches}`],
    ["--json", `command line: got "--json", want ${benches}`],
    ["speed", `command line: got "speed", want ${benches}`],
    ["spool --targets 97", "--targets: got 97, want an integer from 1 to 96 targets"],
    ["accuracy --samples 19", "--samples: got 19, want an integer from 20 to 10000 samples"],
    ["accuracy --samples 10001", "--samples: got 10001, want an integer from 20 to 10000 samples"],
    ["accuracy --samples 1e2", '--samples: got "1e2", want an integer from 20 to 10000 samples'],
    ["accuracy --samples=-5", '--samples: got "-5", want an integer from 20 to 10000 samples'],
    ["footprint --period 60", "--seconds: got 30, want at least --period, 60"],
    ["footprint --period 61", "--period: got 61, want an integer from 1 to 60 seconds"],
    ["footprint --seconds 4", "--seconds: got 4, want an integer from 5 to 3600 seconds"],
    ["footprint --seconds 3601", "--seconds: got 3601, want an integer from 5 to 3600 seconds"],
  ])("refuses %j: %s", (line, message) => {
    expect(() => readArguments(line.split(" "))).toThrow(expect.objectContaining({ name: "ConfigError", message }));
  });

  it.each([
    "accuracy footprint",
    "accuracy --seconds 30",
    "spool --samples 30",
    "footprint --samples 30",
    "rollup --seconds 30",
    "footprint --seconds",
    "footprint --seconds --json",
    "accuracy --json=yes",
    "accuracy --verbose",
    "accuracy -n 5",
  ])("refuses %j, and says which flags there are", (line) => {
    const refusal = expect.objectContaining({ code: "bad-flag", message: expect.stringMatching(/--json/) });
    expect(() => readArguments(line.split(" "))).toThrow(refusal);
  });
});
