import { describe, expect, it } from "vitest";
import { balance, type KeptReport, keptReports, type StoredReport } from "./ledger.ts";

const kept = (sequence: number, where: KeptReport["where"] = "disk"): KeptReport => {
  return { bootId: "b1", sequence, where, reportSha256: `sha-${sequence}` };
};
const stored = (sequence: number, windows = [`t@${sequence}`]): StoredReport => {
  return { bootId: "b1", sequence, reportSha256: `sha-${sequence}`, windows };
};

describe("the balance", () => {
  it.each([
    ["all that was sealed is stored", [kept(1), kept(2)], [stored(1), stored(2)], { lost: 0, duplicated: 0 }],
    ["one that was sealed is missing", [kept(1), kept(2)], [stored(1)], { lost: 1, duplicated: 0 }],
    ["one arrived changed", [kept(1)], [{ ...stored(1), reportSha256: "other" }], { lost: 1, duplicated: 0 }],
    ["one of another boot is no stand-in", [kept(1)], [{ ...stored(1), bootId: "b2" }], { lost: 1, duplicated: 0 }],
    ["a report is stored twice", [kept(1)], [stored(1), stored(1, ["t@9"])], { lost: 0, duplicated: 1 }],
    ["a window is in two reports", [kept(1), kept(2)], [stored(1), stored(2, ["t@1"])], { lost: 0, duplicated: 1 }],
    ["a window is in one report twice", [kept(1)], [stored(1, ["t@1", "t@1"])], { lost: 0, duplicated: 1 }],
    ["one was killed before it said what it kept", [], [stored(1)], { sealed: 0, lost: 0, duplicated: 0 }],
    [
      "one in memory was lost with its agent",
      [kept(1, "memory")],
      [],
      { sealed: 0, lost: 0, undurable: 1, undurableStored: 0 },
    ],
    ["one in memory arrived", [kept(1, "memory")], [stored(1)], { lost: 0, undurable: 1, undurableStored: 1 }],
    ["one that was dropped was counted by the agent", [kept(1, "dropped")], [], { sealed: 0, lost: 0, undurable: 0 }],
  ])("%s", (_, told, held, expected) => {
    expect(balance(told, held)).toMatchObject(expected);
  });

  it("names the wrong reports, up to a limit", () => {
    const { examples } = balance(
      Array.from({ length: 50 }, (_, at) => kept(at)),
      [],
    );
    expect(examples).toHaveLength(5);
    expect(examples[0]).toBe("report b1/0 is not stored");
  });
});

describe("an agent's log", () => {
  it("holds reports among other lines, and may end in the middle of one", () => {
    const line = JSON.stringify({ level: "debug", msg: "report kept", ...kept(7) });
    expect(keptReports(`{"msg":"agent started"}\n${line}\n${line.slice(0, -9)}`)).toEqual([kept(7)]);
  });
});
