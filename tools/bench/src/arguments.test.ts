import { describe, expect, it } from "vitest";
import { type BenchRequest, readArguments } from "./arguments.ts";

const refusal = (args: readonly string[]) => {
  try {
    return readArguments(args);
  } catch (error) {
    return { code: Reflect.get(Object(error), "code"), message: Reflect.get(Object(error), "message") };
  }
};

describe("the command line", () => {
  const accepted: readonly [string, BenchRequest][] = [
    ["accuracy", { bench: "accuracy", json: false, samples: 200, rttMs: 20 }],
    ["accuracy --json", { bench: "accuracy", json: true, samples: 200, rttMs: 20 }],
    ["--json accuracy --samples 20", { bench: "accuracy", json: true, samples: 20, rttMs: 20 }],
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
  it.each(accepted)("%s", (line, request) => {
    expect(readArguments(line.split(" "))).toEqual(request);
  });

  it.each([
    ["", "no bench named; expected accuracy, footprint, rollup, connections or spool"],
    ["--json", "no bench named; expected accuracy, footprint, rollup, connections or spool"],
    ["speed", '"speed": no such bench; expected accuracy, footprint, rollup, connections or spool'],
    ["accuracy footprint", '"footprint": unexpected after accuracy'],
    ["accuracy --seconds 30", "--seconds: accuracy takes --samples and --rtt-ms instead"],
    ["spool --samples 30", "--samples: spool takes --targets instead"],
    ["spool --targets 97", '--targets: "97" is out of range; expected a whole number from 1 to 96'],
    ["footprint --samples 30", "--samples: footprint takes --seconds and --period instead"],
    ["rollup --seconds 30", "--seconds: rollup takes no amount"],
    ["accuracy --samples 19", '--samples: "19" is out of range; expected a whole number from 20 to 10000'],
    ["accuracy --samples 10001", '--samples: "10001" is out of range; expected a whole number from 20 to 10000'],
    ["accuracy --samples 1e2", '--samples: "1e2" is out of range; expected a whole number from 20 to 10000'],
    ["accuracy --samples=-5", '--samples: "-5" is out of range; expected a whole number from 20 to 10000'],
    ["footprint --period 60", "--seconds: 30 is less than --period 60; expected at least one period"],
    ["footprint --period 61", '--period: "61" is out of range; expected a whole number from 1 to 60'],
    ["footprint --seconds 4", '--seconds: "4" is out of range; expected a whole number from 5 to 3600'],
    ["footprint --seconds 3601", '--seconds: "3601" is out of range; expected a whole number from 5 to 3600'],
    ["footprint --seconds", "--seconds: needs a value"],
    ["footprint --seconds=", "--seconds: needs a value"],
    ["footprint --seconds --json", "--seconds: needs a value"],
    ["footprint --seconds 5 --seconds 6", "--seconds: given more than once"],
    ["accuracy --json --json", "--json: given more than once"],
    ["accuracy --json=yes", "--json: takes no value"],
    [
      "accuracy --verbose",
      "--verbose: unknown flag; expected --json, --samples, --rtt-ms, --seconds, --period or --targets",
    ],
    ["accuracy -n 5", "-n: unknown flag; expected --json, --samples, --rtt-ms, --seconds, --period or --targets"],
  ])("refuses %j: %s", (line, message) => {
    expect(refusal(line === "" ? [] : line.split(" "))).toEqual({ code: "bad-usage", message });
  });
});
