import { manualClock } from "@lifeline/measure";
import { RpcError, RpcStatus } from "@lifeline/rpc";
import { describe, expect, it } from "vitest";
import { run } from "../run.ts";
import { MET_ROW, NOW_MS, type Queries, startCollector, UNMET_ROW, verdicts } from "../testing/collector.ts";
import { testWorld } from "../testing/world.ts";

/** Watches until `frames` were written, moving the clock by a second after each; then presses Ctrl-C. */
async function watched(
  argv: readonly string[],
  queries: Partial<Queries>,
  frames: number,
  terminal?: { columns: number; rows: number },
) {
  const collector = await startCollector(queries);
  const clock = manualClock(NOW_MS);
  const abort = new AbortController();
  const texts: string[] = [];
  const world = testWorld({
    clock,
    interrupt: abort.signal,
    env: { NO_COLOR: "1" },
    ...(terminal === undefined ? {} : { terminal }),
    onWrite: (text) => {
      if (text === "\u001b[?25l" || text === "\u001b[?25h") return;
      texts.push(text);
      // After the writer has begun to wait.
      setImmediate(() => (texts.length < frames ? clock.advance(1_000) : abort.abort()));
    },
  });
  const exitCode = await run([...argv, "--watch", "--collector", collector.address], world);
  await collector.stop();
  return { texts, exitCode, ...world.said() };
}

/** Answers with each of `answers` in turn, the last for ever. */
function inTurn(...answers: readonly Queries["listVerdicts"][]): Queries["listVerdicts"] {
  let at = 0;
  return (request, context) => {
    const answer = answers[Math.min(at++, answers.length - 1)];
    if (answer === undefined) throw new RpcError(RpcStatus.UNIMPLEMENTED, "no answer given");
    return answer(request, context);
  };
}

const met = async () => verdicts(MET_ROW);
const unmet = async () => verdicts(MET_ROW, UNMET_ROW);
const away = async () => {
  throw new RpcError(RpcStatus.UNAVAILABLE, "gone");
};
const terminal = { columns: 120, rows: 40 };

describe("--watch", () => {
  it("paints each frame over the one before, and gives the cursor back", async () => {
    const { texts, out, exitCode } = await watched(["status"], { listVerdicts: inTurn(met, unmet) }, 2, terminal);
    expect(out.startsWith("\u001b[?25l\r")).toBe(true);
    expect(out.endsWith("\u001b[?25h")).toBe(true);
    expect(texts[0]?.split("\n")[1]).toMatch(/^machine-api .*\[K$/);
    // Four lines were painted: header, row, an empty one, the summary.
    expect(texts[1]?.startsWith("\u001b[4FREQUIREMENT")).toBe(true);
    expect(texts[1]?.endsWith("\u001b[J")).toBe(true);
    expect(exitCode).toBe(1);
  });

  it("never paints more lines than the terminal has, and counts the others", async () => {
    const rows = Array.from({ length: 30 }, (_, at) => ({ ...MET_ROW, requirementId: `row-${at}` }));
    const listVerdicts = async () => verdicts(...rows);
    const { texts } = await watched(["status"], { listVerdicts }, 1, { columns: 120, rows: 10 });
    const lines = texts[0]?.split("\n") ?? [];
    expect(lines).toHaveLength(10);
    expect(lines[8]).toBe("… 25 more lines; --only PATTERN shows fewer\u001b[K");
  });

  it("says how old the rows are while the collector is away, and exits 3 if it stays away (M4)", async () => {
    const { texts, exitCode } = await watched(["status"], { listVerdicts: inTurn(met, away) }, 3, terminal);
    expect(texts[1]).toMatch(/\[4F! 1 s old: the collector at 127.0.0.1:\d+ cannot be reached: gone.\[K\n/);
    expect(texts[2]).toMatch(/\[5F! 2 s old: /);
    expect(exitCode).toBe(3);
  });

  it("takes the notice away when the collector is back", async () => {
    const { texts, exitCode } = await watched(["status"], { listVerdicts: inTurn(met, away, met) }, 3, terminal);
    expect(texts[2]?.startsWith("\u001b[5FREQUIREMENT")).toBe(true);
    expect(exitCode).toBe(0);
  });

  it("prints one JSON object a line, and none while there is nothing new", async () => {
    const { texts } = await watched(["status", "--json"], { listVerdicts: inTurn(met, unmet) }, 2);
    expect(texts.map((text) => JSON.parse(text).rows.length)).toEqual([1, 2]);
    expect(texts.every((text) => text.endsWith("}\n") && text.indexOf("\n") === text.length - 1)).toBe(true);
  });

  it("fails at once when the first attempt fails", async () => {
    const { out, err, exitCode } = await watched(["status"], { listVerdicts: away }, 1, terminal);
    expect(out).toBe("");
    expect(err).toContain("cannot be reached: gone");
    expect(exitCode).toBe(3);
  });
});
