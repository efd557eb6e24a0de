import { manualClock } from "@lifeline/measure";
import { expect, it } from "vitest";
import { createLog } from "./log.ts";

it("escapes untrusted text in every field of a line, and keeps the lines of a stack", () => {
  const lines: string[] = [];
  const log = createLog(manualClock(0), "info", { write: (line) => void lines.push(line) });
  log
    .child({ peer: "a\u202eb" })
    .warn({ detail: "\u001b[2J\u200b", err: new Error("said \u{e0041}") }, "refused: \u2028");
  const [line = "", ...others] = lines;
  expect(others).toEqual([]);
  expect(line).toMatch(/^[\x20-\x7e]+\n$/);
  expect(JSON.parse(line)).toEqual({
    level: "warn",
    time: "1970-01-01T00:00:00.000Z",
    peer: "a\\u{202E}b",
    detail: "\\u{1B}[2J\\u{200B}",
    err: expect.objectContaining({ message: "said \\u{E0041}", stack: expect.stringContaining("\n    at ") }),
    msg: "refused: \\u{2028}",
  });
});

it("writes no line below its level", () => {
  const lines: string[] = [];
  createLog(manualClock(0), "warn", { write: (line) => void lines.push(line) }).info("hidden");
  expect(lines).toEqual([]);
});
