import { describe, expect, it } from "vitest";
import { idleLinesMax, keptReports, type Line, malformedLines } from "./log-lines.ts";

const line = (value: Record<string, unknown> | undefined, text = JSON.stringify(value)): Line => ({
  text,
  value,
  atNs: 0,
});
const right = { msg: "a", level: "info", time: "2026-11-24T10:00:00.000Z" };

describe("a line that Talos parses", () => {
  it.each<[string, Line, boolean]>([
    ["with RFC 3339", line(right), true],
    ["with an epoch", line({ ...right, time: 1_795_000_000 }), true],
    ["without msg", line({ ...right, msg: undefined }), false],
    ["with a level that is a number", line({ ...right, level: 30 }), false],
    ["with another time", line({ ...right, time: "soon" }), false],
    ["of plain text", line(undefined, "Warning: x"), false],
  ])("%s is well formed: %s", (_, given, isRight) => {
    expect(malformedLines([given])).toEqual(isRight ? [] : [given.text]);
  });
});

it.each([
  [0, 3],
  [59_999, 3],
  [60_000, 4],
  [600_000, 13],
])("after %i ms an idle agent has printed at most %i lines", (afterMs, most) => {
  expect(idleLinesMax(afterMs)).toBe(most);
});

it("kept reports are those on the disk, each once", () => {
  const kept = (bootId: string, sequence: number, where = "disk") =>
    line({ msg: "report kept", bootId, sequence, where });
  const lines = [kept("a", 1), kept("a", 2), kept("a", 2), kept("b", 1), kept("b", 2, "memory"), line(right)];
  expect(keptReports(lines)).toEqual(
    new Map([
      ["a", new Set([1, 2])],
      ["b", new Set([1])],
    ]),
  );
});
