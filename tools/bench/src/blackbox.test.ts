import { describe, expect, it } from "vitest";
import { parseExporterAnswer } from "./blackbox.ts";

const ANSWER = `# HELP probe_duration_seconds Returns how long the probe took to complete in seconds
# TYPE probe_duration_seconds gauge
probe_duration_seconds 0.020523681
# TYPE probe_success gauge
probe_success 1
`;

describe("the exporter's answer", () => {
  it.each([
    [ANSWER, { success: true, durationNs: 20_523_681 }],
    [ANSWER.replace("probe_success 1", "probe_success 0"), { success: false, durationNs: 20_523_681 }],
    [ANSWER.replace("0.020523681", "7.1e-05"), { success: true, durationNs: 71_000 }],
  ])("is read (%#)", (text, answer) => {
    expect(parseExporterAnswer(text)).toEqual({ ...answer, durationNs: expect.closeTo(answer.durationNs, 3) });
  });

  it.each(["probe_duration_seconds", "probe_success"])("without %s is refused", (name) => {
    const without = ANSWER.replace(new RegExp(`^${name} .*\n`, "m"), "");
    expect(() => parseExporterAnswer(without)).toThrow(
      expect.objectContaining({
        code: "child-failed",
        message: `prometheus-blackbox-exporter: no ${name} in its answer`,
      }),
    );
  });
});
