import { describe, expect, it } from "vitest";
import { createFpingReport, fpingArguments } from "./fping-report.ts";

/** One target's part of an interval, as fping 5.1 prints it with -N -l -Q 1. */
const block = ({ xmt = 1, rcv = 1, min = 20_034_421, max = 0 } = {}) =>
  `BEGIN fping.10_77_0_2_packets
SET xmt = ${xmt}
SET rcv = ${rcv}
END
BEGIN fping.10_77_0_2_quality
SET returned = 100
END
BEGIN fping.10_77_0_2_latency
SET min = ${min}
SET avg = ${min}
SET max = ${max === 0 ? min : max}
END`.split("\n");

const readAll = (lines: readonly string[]) => {
  const report = createFpingReport();
  for (const line of lines) report.line(line);
  return report.rttsNs;
};

describe("fping's netdata output", () => {
  it("gives one figure for each target and interval, to the nanosecond, in order", () => {
    const chart =
      "CHART fping.10_77_0_2_latency '' 'FPing Latency for host 10.77.0.2' ms '10.77.0.2' fping.latency area 110000 1";
    expect(readAll([chart, "DIMENSION min minimum absolute 1 1000000", ...block(), ...block({ min: 5 })])).toEqual([
      20_034_421, 5,
    ]);
  });

  it.each([
    ["two probes in an interval", block({ xmt: 2 }), "fping: xmt = 2 in an interval; expected 1"],
    ["a probe without an answer", block({ rcv: 0 }), "fping: rcv = 0 in an interval; expected 1"],
    ["figures that differ", block({ min: 1, max: 2 }), "fping: min 1 and max 2 of one probe differ"],
  ])("of %s is refused", (_, lines, message) => {
    expect(() => readAll(lines)).toThrow(expect.objectContaining({ code: "ambiguous-report", message }));
  });
});

describe("fping's arguments", () => {
  it("spread the copies of the target over a second", () => {
    expect(fpingArguments("10.77.0.2", 4).join(" ")).toBe(
      "-N -l -Q 1 -p 1000 -i 250 10.77.0.2 10.77.0.2 10.77.0.2 10.77.0.2",
    );
  });
});
